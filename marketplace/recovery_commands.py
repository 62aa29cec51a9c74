"""The commands `flexagora database backup`, `restore` and what follows a restore."""

import contextlib
import getpass
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Annotated

import typer

from marketplace.app import encrypted_columns, open_environment, wire
from marketplace.core import backup as backups
from marketplace.core import restoration
from marketplace.core.actor import Actor, acting_as
from marketplace.core.settings import Settings
from marketplace.core.unit_of_work import unit_of_work
from marketplace.recovery import reports, running
from mpp_sdk.backups import Facts
from mpp_sdk.command_line import explained
from mpp_sdk.errors import InvalidInput

_KEYS_APART = (
    "The encryption keys are NOT in it. Keep FLEXAGORA_SECRET_KEYS, or secret.key of the data "
    "folder, in another place: without them the backup cannot be restored."
)
_NEXT = (
    "Deliveries are held. Start the marketplace, then run `flexagora database resynchronise`; or "
    "`flexagora database release --reason ...` to go on without."
)


def add_to(app: typer.Typer, read_settings: Callable[[], Settings]) -> None:
    """Add the commands to those of the database."""

    @app.command()
    def backup(
        file: Annotated[Path, typer.Argument(help="Where to; there must be nothing yet.")],
    ) -> None:
        """Write a backup of one moment, also while the marketplace runs."""
        with explained(Settings):
            environment = open_environment(read_settings())
            facts = backups.back_up(environment.engine, environment.settings, file)
        typer.echo(f"{file} is written, for its owner alone.")
        _tell(facts)
        typer.echo(_KEYS_APART)

    @app.command()
    def restore(
        file: Annotated[Path, typer.Argument(help="A backup that `backup` has written.")],
        replace: Annotated[
            bool, typer.Option("--replace", help="Whether what is in the database may be lost.")
        ] = False,
    ) -> None:
        """Put a backup in place of the database, while no process of the marketplace runs."""
        with explained(Settings):
            settings = read_settings()
            restored = backups.restore(
                settings, file, encrypted_columns(), _actor(), replace=replace
            )
        _tell(restored.facts)
        typer.echo(f"It is restored, at revision {restored.revision}; its secrets can be read.")
        typer.echo(_NEXT)

    @app.command("mark-restored")
    def mark_restored(
        to: Annotated[str, typer.Option(help="The moment that it was restored to (RFC 3339).")],
    ) -> None:
        """Say that the database was restored by other means, such as point-in-time recovery."""
        with explained(Settings):
            moment = _moment(to)
            environment = open_environment(read_settings())
            backups.mark(environment.engine, moment, None, _actor())
        typer.echo(_NEXT)

    @app.command()
    def resynchronise(
        since: Annotated[
            str | None,
            typer.Option(
                help="From when on something may be missing, here or at a platform (RFC 3339); by "
                "default an hour before the backup that was restored."
            ),
        ] = None,
        as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
    ) -> None:
        """Compare with what the platforms hold, mend what is safe, and say what could not be.

        It may be interrupted and run again. The status is 0 when everything is as it was, 1 when
        something waits for a person.
        """
        with explained(Settings):
            moment = None if since is None else _moment(since)
            environment = open_environment(read_settings())
            wire()
            run_id = running.resynchronise(
                environment, moment, _actor(), lambda line: typer.echo(line, err=True)
            )
            with unit_of_work(environment.engine, read_only=True):
                report = reports.of(run_id)
        typer.echo(report.as_json() if as_json else report.as_text())
        if not report.is_complete:
            raise typer.Exit(1)

    @app.command()
    def release(
        reason: Annotated[str, typer.Option(help="Why; it goes into the audit trail.")],
    ) -> None:
        """Let deliveries go on after a restore, without re-synchronisation."""
        with explained(Settings):
            environment = open_environment(read_settings())
            with acting_as(_actor()), unit_of_work(environment.engine):
                restoration.release(reason)
        typer.echo("Deliveries go on.")


def _moment(given: str) -> datetime:
    moment: datetime | None = None
    with contextlib.suppress(ValueError):
        moment = datetime.fromisoformat(given)
    if moment is None or moment.tzinfo is None:
        raise InvalidInput(f"{given} is no moment with an offset, such as 2026-12-01T10:00:00Z.")
    return moment


def _actor() -> Actor:
    user = getpass.getuser()
    return Actor(f"command-line:{user}", f"{user} at the command line")


def _tell(facts: Facts) -> None:
    typer.echo(f"taken at:         {facts.taken_at.isoformat()}")
    typer.echo(f"product version:  {facts.product_version}")
    typer.echo(f"revision:         {facts.revision}")
    typer.echo(f"database:         {facts.database}, {facts.size} bytes")
    for name in ("market_player", "subscription", "outbox_event", "audit_entry"):
        if name in facts.rows:
            typer.echo(f"{name + ':':<18}{facts.rows[name]} rows")
