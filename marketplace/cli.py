"""The command line of the marketplace: `flexagora`."""

import getpass
import json
import logging
import os
import shutil
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from datetime import timedelta
from typing import Annotated, Any

import typer
from pydantic import SecretStr, TypeAdapter
from sqlalchemy import Engine, make_url

from marketplace import person_commands, queue_commands, recovery_commands
from marketplace.app import (
    Application,
    delivery_part,
    encrypted_columns,
    metadata,
    open_environment,
)
from marketplace.core import migrations
from marketplace.core.actor import Actor, acting_as
from marketplace.core.environment import in_environment
from marketplace.core.reencryption import reencrypt
from marketplace.core.settings import Settings, check_names
from marketplace.core.signals import Told
from marketplace.core.unit_of_work import unit_of_work
from marketplace.identity import service as identity
from marketplace.operations import Operations
from mpp_sdk import logs, tracing
from mpp_sdk.command_line import explained
from mpp_sdk.database import open_database
from mpp_sdk.web.server import serve as serve_app

app = typer.Typer(
    help="Flexagora, a market for energy flexibility.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
)
operator_app = typer.Typer(help="The accounts of those who run the marketplace.")
secrets_app = typer.Typer(help="The secrets that are stored encrypted.")
database_app = typer.Typer(help="The database's schema.")
app.add_typer(operator_app, name="operator")
app.add_typer(database_app, name="database")
app.add_typer(secrets_app, name="secrets")

_URLS = ("database_url", "broker_url")
_HIDDEN = "***"
_LOG = logging.getLogger(__name__)
_DURATION = TypeAdapter(timedelta)


@app.command()
def serve(
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
    demo_data: Annotated[
        bool,
        typer.Option(
            "--demo-data",
            help="Fill a marketplace with a month of made-up business first, and print three "
            "sign-ins. It has an embedded database of its own, made anew each time.",
        ),
    ] = False,
) -> None:
    """Run the marketplace until it is told to stop."""
    given: dict[str, Any] = {"host": host, "port": port}
    given = {name: value for name, value in given.items() if value is not None}
    with explained(Settings), ExitStack() as running:
        settings = _demo_settings(given) if demo_data else _settings(**given)
        tracing.configure("flexagora")
        application = Application(open_environment(settings))
        sign_ins = running.enter_context(_filled(application)) if demo_data else ""
        _say_where(running.enter_context(application.operations.listening()))
        serve_app(
            application.app,
            host=settings.host,
            port=settings.port,
            on_start=lambda _: typer.echo(
                f"Flexagora is at {settings.effective_public_url}, its contracts at /docs{sign_ins}"
            ),
            on_stopping=application.environment.readiness.begin_stopping,
            drain_seconds=settings.drain_delay.total_seconds(),
        )


@app.command()
def deliver() -> None:
    """Deliver events to platforms, in a process without a server, until told to stop."""
    with explained(Settings):
        environment = open_environment(_settings(deliver=True))
        tracing.configure("flexagora")
        operations = Operations(environment)
        worker = delivery_part(environment)
        told = Told()
        with operations.listening() as operations_url:
            _say_where(operations_url)
            worker.start()
            told.wait()
            environment.readiness.begin_stopping()
            worker.stop()


@app.command("settings")
def show_settings() -> None:
    """Show every setting: its name in the environment, its value, and what it means."""
    with explained(Settings):
        settings = _settings()
    for name, field in Settings.model_fields.items():
        default = "" if name in settings.model_fields_set else "  (default)"
        typer.echo(f"FLEXAGORA_{name.upper()}={_shown(name, getattr(settings, name))}{default}")
        typer.echo(f"    {field.description}")


@operator_app.command("create")
def create_operator(
    name: Annotated[str, typer.Option(help="Whose account it is, as the audit trail shows it.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print one JSON object.")] = False,
) -> None:
    """Make an account; its OAuth 2 client is shown this once."""
    with explained(Settings), _at_work():
        issued = identity.create_operator(name)
    client_id = issued.credential.client_id
    if as_json:
        typer.echo(json.dumps({"clientId": client_id, "clientSecret": issued.secret}))
        return
    typer.echo(f"client id:     {client_id}\nclient secret: {issued.secret}")
    typer.echo("The secret is not shown again. Get a token with it at /api/v1/oauth/token.")


@operator_app.command("list")
def list_operators() -> None:
    """List the accounts, without their secrets."""
    with explained(Settings), _at_work():
        for credential in identity.list_operators():
            used = credential.last_used_at
            typer.echo(
                f"{credential.client_id}  {credential.label}  made {credential.created_at:%Y-%m-%d}"
                f"  last used {f'{used:%Y-%m-%d}' if used else 'never'}"
            )


@operator_app.command("revoke")
def revoke_operator(
    client_id: Annotated[str, typer.Argument(help="The client id of the account.")],
) -> None:
    """Have an account stop working at once."""
    with explained(Settings), _at_work():
        credential = identity.revoke_operator(client_id)
    typer.echo(f"{credential.label} has no access any more.")


@database_app.command()
def upgrade(
    revision: Annotated[str, typer.Argument(help="Where to; by default the newest.")] = "head",
) -> None:
    """Bring the schema forward; processes of the version before may run meanwhile."""
    with explained(Settings):
        engine = _engine()
        migrations.upgrade(engine, revision)
        newer = ", newer than this version, which works on it" * migrations.is_newer(engine)
        found = migrations.revision_of(engine) or "none"
        typer.echo(f"The database is at revision {found}{newer}.")


# Otherwise -1 would be taken for an option.
@database_app.command(context_settings={"ignore_unknown_options": True})
def downgrade(
    revision: Annotated[str, typer.Argument(help="Where to: -1, a revision, or base.")],
) -> None:
    """Bring the schema back. What only newer versions know is lost."""
    with explained(Settings):
        engine = _engine()
        migrations.downgrade(engine, revision)
        typer.echo(f"The database is at revision {migrations.revision_of(engine) or 'none'}.")


@database_app.command()
def check() -> None:
    """Say whether the database has the schema that this version needs."""
    with explained(Settings):
        engine = _engine()
        found, needed = migrations.revision_of(engine), migrations.newest_revision(engine)
        if migrations.is_newer(engine):
            migrations.check_usable(engine)
            typer.echo(f"The database is at revision {found}, newer than {needed}, and usable.")
            return
        if found != needed:
            typer.echo(f"The database is at revision {found or 'none'}, {needed} is needed.")
            typer.echo("Run `flexagora database upgrade`.")
            raise typer.Exit(1)
        differences = migrations.differences(engine, metadata())
        for difference in differences:
            typer.echo(difference)
        if differences:
            raise typer.Exit(1)
        typer.echo(f"The database is at revision {found}, as it should be.")


recovery_commands.add_to(database_app, lambda: _settings())
app.add_typer(queue_commands.make(lambda: _settings()), name="queue")
app.add_typer(person_commands.make(lambda: _settings()), name="person")


@secrets_app.command("rotate")
def rotate_secrets() -> None:
    """Encrypt every stored secret with the first key, so that the others can be dropped.

    It may be interrupted and run again, also while the marketplace runs.
    """
    with explained(Settings):
        environment = open_environment(_settings())
        box = environment.settings.secret_box
        done = [reencrypt(environment.engine, box, column) for column in encrypted_columns()]
    typer.echo(f"Encrypted with the first key now: {sum(one.renewed for one in done)}.")
    unreadable = sum(one.unreadable for one in done)
    if unreadable:
        typer.echo(f"Not readable with any of the keys: {unreadable}.", err=True)
        raise typer.Exit(1)


def _settings(**given: Any) -> Settings:
    check_names(os.environ)
    settings = Settings(**given)
    logs.configure(settings.log_format)
    return settings


def _demo_settings(given: dict[str, Any]) -> Settings:
    """Return settings with a database and a data folder of their own, and platforms on loopback."""
    folder = _settings().data_dir / "demo-data"
    shutil.rmtree(folder, ignore_errors=True)
    return _settings(
        **given,
        data_dir=folder,
        database_url="",
        broker_url="",
        access_log=folder / "access.log",
        deliver=True,
        allow_http=True,
        allow_private_addresses=True,
    )


@contextmanager
def _filled(application: Application) -> Iterator[str]:
    """Fill the marketplace with demonstration data; give the lines that tell of the sign-ins."""
    from marketplace.demo_data.opening import filled  # its platforms need the extra `metering`

    typer.echo("Filling a marketplace with a month of made-up business ...")
    logging.getLogger().setLevel(logging.ERROR)  # its platforms fail and are called by the hundred
    with filled(application.environment) as accounts:
        lines = [f"  {one.role:<10} {one.email:<32} {one.password}" for one in accounts]
        yield "\n".join(["", "Sign in with one of these accounts:", *lines])


def _say_where(operations_url: str) -> None:
    if operations_url:
        _LOG.info("Metrics and health checks are at %s", operations_url)


def _engine() -> Engine:
    settings = _settings()
    if settings.embedded:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    return open_database(settings.effective_database_url)


@contextmanager
def _at_work() -> Iterator[None]:
    """Run a block as one unit of work, in the name of whoever is at the command line."""
    environment = open_environment(_settings())
    user = getpass.getuser()
    with (
        in_environment(environment),
        acting_as(Actor(f"command-line:{user}", f"{user} at the command line")),
        unit_of_work(environment.engine),
    ):
        yield


def _shown(name: str, value: object) -> str:
    """Return a setting's value for people to see, without secrets."""
    if isinstance(value, tuple):
        return ", ".join(_HIDDEN if isinstance(one, SecretStr) else str(one) for one in value)
    if name == "smtp_url":
        before, at, after = str(value).rpartition("@")
        return f"{before.partition('://')[0]}://{_HIDDEN}@{after}" if at else after
    if name in _URLS and value:
        return make_url(str(value)).render_as_string(hide_password=True)
    if isinstance(value, timedelta):
        return str(_DURATION.dump_python(value, mode="json"))
    return "" if value is None else str(value)
