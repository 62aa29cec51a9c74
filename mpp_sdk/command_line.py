"""What the command lines of the marketplace and of a platform have in common."""

import errno
from collections.abc import Iterator
from contextlib import contextmanager

import typer
from pydantic import ValidationError
from pydantic_settings import BaseSettings
from sqlalchemy.exc import ArgumentError, OperationalError

from mpp_sdk.client import ProblemError
from mpp_sdk.errors import FlexagoraError

_EXTRA_OF_MODULE = {
    "psycopg": "postgresql",
    "pika": "rabbitmq",
    "lxml": "metering",
    "prometheus_client": "metrics",
    "opentelemetry": "telemetry",
}
_ADDRESS_ERRORS = (errno.EADDRINUSE, errno.EADDRNOTAVAIL, errno.EACCES)


@contextmanager
def explained(settings: type[BaseSettings]) -> Iterator[None]:
    """Turn what the user can mend into a line that says what to do, and exit status 1.

    settings are those that the command reads; a value that is not valid is named as it is called
    in the environment. A fault of our own passes on with its traceback.
    """
    try:
        yield
    except Exception as error:
        lines = _lines(error, settings)
        if lines is None:
            raise
        for line in lines:
            typer.echo(" ".join(line.split()), err=True)
        raise SystemExit(1) from error


def needs_extra(error: ImportError) -> bool:
    """Return whether a module is missing that comes with one of the extras."""
    return isinstance(error, ModuleNotFoundError) and _distribution(error) in _EXTRA_OF_MODULE


def _distribution(error: ImportError) -> str:
    """Return the outermost package of the module that is missing."""
    return (error.name or "").partition(".")[0]


def _lines(error: Exception, settings: type[BaseSettings]) -> list[str] | None:
    prefix = settings.model_config.get("env_prefix", "")
    match error:
        case FlexagoraError():
            return [f"{error.title}: {error.detail}"]
        case ProblemError():
            return [str(error)]
        case ValidationError() if error.title == settings.__name__:
            return [
                f"{prefix}{'.'.join(str(part) for part in problem['loc']).upper()}:"
                f" {problem['msg']}"
                for problem in error.errors(include_url=False, include_input=False)
            ]
        case ModuleNotFoundError() if needs_extra(error):
            extra = _EXTRA_OF_MODULE[_distribution(error)]
            return [f"{error.name} is not installed: pip install 'flexagora[{extra}]'"]
        case OperationalError() | ArgumentError():
            # what the driver says, without the statement that it was asked
            said = error.orig if isinstance(error, OperationalError) else error
            return [
                "The database cannot be used: start it, or set"
                f" {prefix}DATABASE_URL to another. It says: {said}"
            ]
        case OSError() if error.errno in _ADDRESS_ERRORS:
            return [
                f"{error.strerror}: stop what listens there, or choose another address with --host"
                f" and --port, or {prefix}HOST and {prefix}PORT."
            ]
        case OSError():
            return [f"{error.strerror or error} {error.filename or ''}"]
        case _:
            return None
