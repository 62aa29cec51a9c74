"""The commands `flexagora person ...`: who signs in to the website, and the way back for operators.

Whoever may run them may do anything to the database, and is asked nothing more.
"""

import getpass
import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Annotated

import typer

from marketplace.accounts import managing
from marketplace.app import open_environment
from marketplace.core.actor import Actor, acting_as
from marketplace.core.environment import in_environment
from marketplace.core.settings import Settings
from marketplace.core.unit_of_work import unit_of_work
from mpp_sdk.command_line import explained


def make(read_settings: Callable[[], Settings]) -> typer.Typer:
    """Return the commands."""
    app = typer.Typer(help="The people who sign in to the website.", no_args_is_help=True)

    @contextmanager
    def at_work(*, read_only: bool = False) -> Iterator[None]:
        user = getpass.getuser()
        with explained(Settings):
            environment = open_environment(read_settings())
            with (
                in_environment(environment),
                acting_as(Actor(f"command-line:{user}", f"{user} at the command line")),
                unit_of_work(environment.engine, read_only=read_only),
            ):
                yield
            environment.engine.dispose()

    @app.command("invite-operator")
    def invite_operator(
        email: Annotated[str, typer.Option(help="The e-mail address, which is signed in with.")],
        name: Annotated[str, typer.Option(help="Whose account it is; the audit trail shows it.")],
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    ) -> None:
        """Invite somebody to run the marketplace; the link works once and is mailed, too."""
        with at_work():
            invited = managing.invite_operator(email, name)
        if as_json:
            until = invited.expires_at.isoformat()
            typer.echo(json.dumps({"link": invited.link, "expiresAt": until}))
            return
        typer.echo(invited.link)
        typer.echo(f"The link works once, until {invited.expires_at:%Y-%m-%d %H:%M} UTC.")

    @app.command("list")
    def list_people(
        operators: Annotated[
            bool, typer.Option("--operators", help="Only those who run the marketplace.")
        ] = False,
    ) -> None:
        """List the people, each with the company, the roles and the last sign-in."""
        with at_work(read_only=True):
            for person in managing.everybody(only_operators=operators):
                last = person.last_signed_in_at
                typer.echo(
                    f"{person.email}  {person.name}  {person.company or 'the marketplace'}  "
                    f"{', '.join(sorted(person.roles))}  "
                    f"last signed in {f'{last:%Y-%m-%d}' if last else 'never'}"
                )

    @app.command()
    def remove(
        email: Annotated[str, typer.Argument(help="The address that the person signs in with.")],
    ) -> None:
        """End somebody's access at once, even that of a company's last administrator."""
        with at_work():
            name = managing.remove_by_email(email)
        typer.echo(f"{name} has no access any more.")

    return app
