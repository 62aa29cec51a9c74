"""The command line of a platform: `python -m mpp_sdk serve my_platform:Handler`."""

import importlib
import json
import sys
from datetime import datetime
from pathlib import Path
from typing import Annotated
from uuid import UUID

import typer

from mpp_sdk import backups, logs, tracing
from mpp_sdk.command_line import explained, needs_extra
from mpp_sdk.errors import NotFound
from mpp_sdk.notifications.log import UNDELIVERED, LoggedNotification
from mpp_sdk.outbox import EventState, ReplayFilter
from mpp_sdk.platform import MarketPlayerPlatform
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.state.pods import SubscribedPod
from mpp_sdk.state.tables import Base
from mpp_sdk.web.access_log import log_to_file
from mpp_sdk.web.server import serve as serve_app

app = typer.Typer(
    help="Runs a market player's platform. Settings are read from the environment (MPP_...).",
    no_args_is_help=True,
)
keys = typer.Typer(help="The API keys between this platform and the marketplace.")
consents = typer.Typer(help="The consents of customers, where this platform is the provider.")
notifications = typer.Typer(help="The notifications on their way to the marketplace.")
database = typer.Typer(help="The platform's own database.")
app.add_typer(keys, name="keys")
app.add_typer(database, name="database")
app.add_typer(consents, name="consents")
app.add_typer(notifications, name="notifications")

_MOMENTS = ["%Y-%m-%dT%H:%M:%S%z", "%Y-%m-%dT%H:%M:%S.%f%z"]
PodArgument = Annotated[str, typer.Argument(help="The id of the point of delivery.")]
SubscriptionOption = Annotated[
    UUID | None,
    typer.Option("--subscription", help="The subscription; needed when there are several."),
]
ReasonOption = Annotated[str | None, typer.Option("--reason", help="Why, in words for a person.")]


@app.command()
def serve(
    handler: Annotated[
        str, typer.Argument(help="A subclass of MarketPlayerPlatform: `my_platform:Handler`.")
    ],
    host: Annotated[str | None, typer.Option(help="The address to listen on.")] = None,
    port: Annotated[int | None, typer.Option(help="The port to listen on.")] = None,
) -> None:
    """Serve a platform until it is told to stop."""
    settings = PlatformSettings()
    logs.configure(settings.log_format)
    tracing.configure(settings.name)
    if settings.access_log is not None:
        log_to_file(settings.access_log)
    platform = load_platform(handler)(settings)
    with platform.operations_port():
        serve_app(
            platform.app(),
            host=host or settings.host,
            port=settings.port if port is None else port,
            on_stopping=platform.readiness.begin_stopping,
            drain_seconds=settings.drain_delay.total_seconds(),
        )


@keys.command("issue")
def issue_key() -> None:
    """Issue a key to the marketplace and show it once: enter it in the connection settings."""
    issued = MarketPlayerPlatform().inbound_keys.issue()
    _show({"apiKey": issued.api_key, "validUntil": issued.valid_until.isoformat()})


@keys.command("show")
def show_keys() -> None:
    """Show which keys there are, without the secrets."""
    platform = MarketPlayerPlatform()
    platform.adopt_keys()
    for key in platform.inbound_keys.all():
        _show(
            {
                "direction": "inbound",
                "id": str(key.id),
                "validFrom": key.valid_from.isoformat(),
                "validUntil": key.valid_until.isoformat(),
                "firstUsedAt": key.first_used_at.isoformat() if key.first_used_at else None,
            }
        )
    presented = platform.outbound_key.known_end()
    _show({"direction": "outbound", "validUntil": presented.isoformat() if presented else None})


@keys.command("refresh")
def refresh_key() -> None:
    """Replace the key that is presented to the marketplace by a new one."""
    platform = MarketPlayerPlatform()
    platform.adopt_keys()
    platform.marketplace.refresh_key()
    presented = platform.outbound_key.known_end()
    _show({"direction": "outbound", "validUntil": presented.isoformat() if presented else None})


@app.command("test")
def test_connection() -> None:
    """Check the connection to the marketplace."""
    platform = MarketPlayerPlatform()
    platform.adopt_keys()
    typer.echo(platform.marketplace.test().to_json().decode())


@database.command("backup")
def back_up(
    file: Annotated[Path, typer.Argument(help="Where to; there must be nothing yet.")],
) -> None:
    """Write a backup of one moment, also while the platform is served."""
    platform = MarketPlayerPlatform()
    box = platform.settings.secret_box()
    facts = backups.back_up(platform.engine, file, box, kind="platform", revision=None)
    typer.echo(f"{file} is written, as of {facts.taken_at.isoformat()}, {facts.size} bytes.")
    typer.echo(
        "The encryption keys are NOT in it. Keep MPP_ENCRYPTION_KEYS, or the .key file beside the "
        "database, in another place."
    )


@database.command("restore")
def restore(
    file: Annotated[Path, typer.Argument(help="A backup that `backup` has written.")],
    replace: Annotated[
        bool, typer.Option("--replace", help="Whether what is in the database may be lost.")
    ] = False,
) -> None:
    """Put a backup in place of the database, while the platform is not served."""
    settings = PlatformSettings()
    facts = backups.restore(
        settings.database_url,
        file,
        settings.secret_box(),
        kind="platform",
        replace=replace,
        prepare=lambda engine, _: Base.metadata.create_all(engine),
    )
    typer.echo(f"Restored as of {facts.taken_at.isoformat()}.")
    typer.echo(
        "Serve the platform, and ask the marketplace's operator to run `flexagora database "
        f"resynchronise --since {facts.taken_at.isoformat()}`: what the platform was told since "
        "then is told again."
    )


@consents.command("list")
def list_consents() -> None:
    """List the points of delivery of every subscription, one JSON object in each line."""
    platform = MarketPlayerPlatform()
    for subscription in platform.subscriptions.all():
        after: str | None = None
        while pods := platform.points_of_delivery.page(subscription.id, after=after, limit=200):
            for pod in pods:
                _show_pod(pod)
            after = pods[-1].pod_id


@consents.command("grant")
def grant_consent(pod_id: PodArgument, subscription: SubscriptionOption = None) -> None:
    """Record that the customer consents, and activate the service."""
    platform = MarketPlayerPlatform()
    subscription_id = _subscription_of(platform, pod_id, subscription)
    with platform.transactions():
        platform.consents.grant(subscription_id, pod_id)
        _show_pod(platform.activations.activate(subscription_id, pod_id))


@consents.command("deny")
def deny_consent(
    pod_id: PodArgument, subscription: SubscriptionOption = None, reason: ReasonOption = None
) -> None:
    """Record that the customer refuses."""
    platform = MarketPlayerPlatform()
    subscription_id = _subscription_of(platform, pod_id, subscription)
    _show_pod(platform.consents.deny(subscription_id, pod_id, reason))


@consents.command("withdraw")
def withdraw_consent(
    pod_id: PodArgument, subscription: SubscriptionOption = None, reason: ReasonOption = None
) -> None:
    """Record that the customer takes the consent back: data stops with the next call."""
    platform = MarketPlayerPlatform()
    subscription_id = _subscription_of(platform, pod_id, subscription)
    _show_pod(platform.consents.withdraw(subscription_id, pod_id, reason))


@consents.command("ask-again")
def ask_again(pod_id: PodArgument, subscription: SubscriptionOption = None) -> None:
    """Begin a new round after a consent was denied, withdrawn, timed out or expired."""
    platform = MarketPlayerPlatform()
    subscription_id = _subscription_of(platform, pod_id, subscription)
    _show_pod(platform.consents.ask_again(subscription_id, pod_id))


@notifications.command("list")
def list_notifications(
    state: Annotated[
        EventState | None, typer.Option(help="By default all that are not delivered.")
    ] = None,
) -> None:
    """List what waits, is retried or is dead, the newest first, one JSON object in each line."""
    states = UNDELIVERED if state is None else (state,)
    for notification in MarketPlayerPlatform().notifications.all(states):
        _show_notification(notification)


@notifications.command("replay")
def replay_notification(
    event_id: Annotated[
        UUID | None,
        typer.Argument(help="The id of a dead notification; without it, all that the options say."),
    ] = None,
    state: Annotated[
        list[EventState] | None,
        typer.Option(help="DEAD, DELIVERED, or both by giving it twice; DEAD by default."),
    ] = None,
    since: Annotated[
        datetime | None,
        typer.Option(formats=_MOMENTS, help="Only what was finished at or after (with offset)."),
    ] = None,
    subscription: Annotated[
        UUID | None, typer.Option("--subscription", help="Only those of this subscription.")
    ] = None,
    reason_contains: Annotated[
        str | None, typer.Option(help="Only dead ones whose reason contains this.")
    ] = None,
) -> None:
    """Queue dead notifications again, or all since a moment; they are sent while it is served."""
    log = MarketPlayerPlatform().notifications
    if event_id is not None:
        _show_notification(log.replay(event_id))
        return
    states = frozenset(state or [EventState.DEAD])
    if not states <= {EventState.DEAD, EventState.DELIVERED}:
        raise typer.BadParameter("Only DEAD and DELIVERED ones can be sent again.")
    wanted = ReplayFilter(
        states=states,
        ordering_key=None if subscription is None else str(subscription),
        since=since,
        reason_contains=reason_contains,
    )
    asked = log.request_replay(wanted, "Asked for at the command line.")
    for replay in log.advance_replays():
        if replay.id == asked.id:
            _show(
                {
                    "replayId": str(replay.id),
                    "state": replay.state,
                    "percent": round(100 * replay.progress),
                    "replayed": replay.replayed,
                }
            )


def load_platform(path: str) -> type[MarketPlayerPlatform]:
    """Return the class that `module:Class` names.

    Raises typer.BadParameter when it is none, ModuleNotFoundError when it needs an extra.
    """
    module_name, _, class_name = path.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:  # so that a module beside the integrator is found
        sys.path.insert(0, here)
    try:
        found = getattr(importlib.import_module(module_name), class_name)
    except (ImportError, AttributeError, ValueError) as error:
        if isinstance(error, ImportError) and needs_extra(error):
            raise
        raise typer.BadParameter(f"{path} cannot be loaded: {error}") from error
    if not (isinstance(found, type) and issubclass(found, MarketPlayerPlatform)):
        raise typer.BadParameter(f"{path} is no subclass of MarketPlayerPlatform")
    return found


def _subscription_of(platform: MarketPlayerPlatform, pod_id: str, given: UUID | None) -> UUID:
    if given is not None:
        return given
    found = platform.points_of_delivery.subscriptions_of(pod_id)
    if not found:
        raise NotFound.entity("point of delivery", pod_id)
    if len(found) > 1:
        raise typer.BadParameter("It is under several subscriptions: name one.")
    return found[0]


def _show_pod(pod: SubscribedPod) -> None:
    _show(
        {
            "subscriptionId": str(pod.subscription_id),
            "podId": pod.pod_id,
            "consent": pod.consent,
            "activation": pod.activation,
            "reason": pod.reason,
            "updatedAt": pod.updated_at.isoformat(),
        }
    )


def _show_notification(notification: LoggedNotification) -> None:
    next_attempt_at = notification.next_attempt_at
    _show(
        {
            "eventId": str(notification.event_id),
            "subscriptionId": str(notification.subscription_id),
            "podId": notification.pod_id,
            "kind": notification.kind,
            "state": notification.state,
            "attempts": notification.attempts,
            "reason": notification.reason,
            "occurredAt": notification.occurred_at.isoformat(),
            "nextAttemptAt": next_attempt_at.isoformat() if next_attempt_at else None,
        }
    )


def _show(line: dict[str, str | int | None]) -> None:
    typer.echo(json.dumps({name: value for name, value in line.items() if value is not None}))


def main() -> None:
    """Run the command line; what the user can mend is said in a line, with what to do."""
    with explained(PlatformSettings):
        app()


if __name__ == "__main__":
    main()
