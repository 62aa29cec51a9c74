"""The command line `flexagora`: what comes with the SDK, and what the extras add to it.

A distribution adds commands by an entry point of the group `flexagora.commands` that leads to a
Typer application. The entry point is named for the extra that has to be installed for it.
"""

import sys
from collections.abc import Callable, Sequence
from importlib.metadata import EntryPoint, entry_points

import typer
from rich.markup import escape

from mpp_sdk.conformance import command as conformance
from mpp_sdk.new_platform import command as new_platform

GROUP = "flexagora.commands"
_OWN: dict[str, Callable[..., None]] = {
    "conformance": conformance.conformance,
    "new-platform": new_platform.new_platform,
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line. Without arguments of ours, those of the process are taken."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    app = own_commands()
    if not words or words[0] not in _OWN:  # else nothing of the extras is imported
        missing = add_extras(app, entry_points(group=GROUP))
        if missing and words and not words[0].startswith("-"):
            typer.echo(f"There is no command {words[0]} yet. {_hint(missing)}", err=True)
            raise SystemExit(2)
        app.info.epilog = escape(_hint(missing)) if missing else None
    app(words, prog_name="flexagora")


def own_commands() -> typer.Typer:
    """Return the commands of the SDK alone."""
    app = typer.Typer(
        help="Flexagora, a market for energy flexibility.",
        no_args_is_help=True,
        pretty_exceptions_enable=False,
    )
    for name, function in _OWN.items():
        app.command(name)(function)
    return app


def add_extras(app: typer.Typer, found: Sequence[EntryPoint]) -> list[str]:
    """Add the commands of the extras; return the names of those that are not installed."""
    missing = []
    for entry in found:
        try:
            app.add_typer(entry.load())
        except ModuleNotFoundError as error:
            if (error.name or "").partition(".")[0] == entry.module.partition(".")[0]:
                raise  # what is missing is a part of ours
            missing.append(entry.name)
    return missing


def _hint(missing: Sequence[str]) -> str:
    named = " ".join(f"pip install 'flexagora[{extra}]'" for extra in missing)
    return f"The commands of the {', '.join(missing)} come with: {named}"
