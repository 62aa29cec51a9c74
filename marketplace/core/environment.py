"""What the running marketplace is made of: its settings, and its database."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass

from sqlalchemy import Engine

from marketplace.core.settings import Settings


@dataclass(frozen=True)
class Environment:
    """The settings and the database that a call or a job works with."""

    settings: Settings
    engine: Engine


_environment: ContextVar[Environment] = ContextVar("environment")


def current_environment() -> Environment:
    """Return the environment of this call or job. Raises LookupError outside of one."""
    return _environment.get()


@contextmanager
def in_environment(environment: Environment) -> Iterator[None]:
    """Run a block in an environment."""
    token = _environment.set(environment)
    try:
        yield
    finally:
        _environment.reset(token)
