"""What the running marketplace is made of: its settings, its database, and what is seen of it."""

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from sqlalchemy import Engine

from marketplace.core.settings import Settings
from mpp_sdk.metrics import Meters
from mpp_sdk.readiness import Readiness


@dataclass(frozen=True)
class Environment:
    """The settings and the database that a call or a job works with.

    meters is what this process counts, readiness whether it can do its work.
    """

    settings: Settings
    engine: Engine
    meters: Meters = field(default_factory=lambda: Meters("flexagora"), compare=False)
    readiness: Readiness = field(default_factory=Readiness, compare=False)


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
