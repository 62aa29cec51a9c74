"""The commands `flexagora queue ...`: what operators do to the delivery queue."""

import getpass
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Annotated
from uuid import UUID

import typer

from marketplace.app import open_environment
from marketplace.core.environment import Environment, in_environment
from marketplace.core.paging import Page
from marketplace.core.settings import Settings
from marketplace.core.unit_of_work import unit_of_work
from marketplace.delivery import lanes, replaying, service
from marketplace.delivery.domain import EventKind
from marketplace.delivery.lanes import Limits, Standing
from marketplace.identity.access import MarketplacePrincipal, acting_for
from marketplace.identity.domain import AccessRole
from mpp_sdk.command_line import explained
from mpp_sdk.errors import InvalidInput
from mpp_sdk.outbox import (
    BreakerState,
    EventState,
    LaneMode,
    Progress,
    Replay,
    ReplayFilter,
    ReplayState,
)

_PAGE = 200
_LOOK_AGAIN_SECONDS = 0.5

ReasonOption = Annotated[str, typer.Option("--reason", help="Why; it goes into the audit trail.")]
PlayerArgument = Annotated[UUID, typer.Argument(help="The market player whose platform it is.")]
PlayerOption = Annotated[
    UUID | None, typer.Option("--market-player", help="Only what goes to this one's platform.")
]


def make(read_settings: Callable[[], Settings]) -> typer.Typer:
    """Return the commands."""
    app = typer.Typer(help="The events on their way to the platforms.", no_args_is_help=True)

    @contextmanager
    def at_work() -> Iterator[Environment]:
        """Run a block as an operator, whoever is at the command line."""
        user = getpass.getuser()
        operator = MarketplacePrincipal(
            f"command-line:{user}",
            f"{user} at the command line",
            roles=frozenset({AccessRole.OPERATOR}),
        )
        with explained(Settings):
            environment = open_environment(read_settings())
            with in_environment(environment), acting_for(operator):
                yield environment
            environment.engine.dispose()

    def change(function: Callable[[], Standing]) -> None:
        with at_work() as environment, unit_of_work(environment.engine):
            _show_lane(function())

    @app.command("list")
    def list_lanes(
        mode: Annotated[LaneMode | None, typer.Option(help="Only those in this mode.")] = None,
        breaker: Annotated[
            BreakerState | None, typer.Option(help="Only those with the breaker in this state.")
        ] = None,
    ) -> None:
        """List the platforms: whether events go out, and how many wait."""
        with at_work() as environment:
            cursor: str | None = None
            while True:
                with unit_of_work(environment.engine, read_only=True):
                    page: Page[Standing] = lanes.list_lanes(
                        limit=_PAGE, cursor=cursor, mode=mode, breaker_state=breaker
                    )
                for standing in page.items:
                    _show_lane(standing)
                cursor = page.next_cursor
                if cursor is None:
                    return

    @app.command()
    def show(market_player: PlayerArgument) -> None:
        """Show how deliveries to a platform stand."""
        with at_work() as environment, unit_of_work(environment.engine, read_only=True):
            _show_lane(lanes.read(market_player))

    @app.command()
    def pause(market_player: PlayerArgument, reason: ReasonOption) -> None:
        """Send nothing more to a platform, and keep everything."""
        change(lambda: lanes.pause(market_player, reason))

    @app.command()
    def drain(market_player: PlayerArgument, reason: ReasonOption) -> None:
        """Send a platform what waits now, then pause."""
        change(lambda: lanes.drain(market_player, reason))

    @app.command()
    def resume(market_player: PlayerArgument, reason: ReasonOption) -> None:
        """Go on with what was kept."""
        change(lambda: lanes.resume(market_player, reason))

    @app.command()
    def limit(
        market_player: PlayerArgument,
        reason: ReasonOption,
        at_once: Annotated[
            int | None, typer.Option(help="Calls at once at most; as set for all when left out.")
        ] = None,
        per_second: Annotated[
            float | None, typer.Option(help="Calls a second at most; no limit when left out.")
        ] = None,
    ) -> None:
        """Limit how fast a platform is called; both limits are replaced."""
        if (at_once is not None and at_once < 1) or (per_second is not None and per_second <= 0):
            raise typer.BadParameter("A limit must let something through.")
        limits = Limits(at_once, per_second)
        change(lambda: lanes.limit(market_player, limits, reason, if_match="*"))

    @app.command()
    def dead(market_player: PlayerOption = None) -> None:
        """Count dead deliveries by reason."""
        with at_work() as environment, unit_of_work(environment.engine, read_only=True):
            for found in service.list_dead_letter_reasons(market_player):
                typer.echo(
                    f"{found.count:>9}  {found.oldest_at:%Y-%m-%d %H:%M} to "
                    f"{found.newest_at:%Y-%m-%d %H:%M}  {found.reason}"
                )

    @app.command()
    def discard(
        event: Annotated[UUID, typer.Argument(help="The event that holds up its subscription.")],
        reason: ReasonOption,
    ) -> None:
        """Give up a delivery, so that what waits behind it goes on."""
        with at_work() as environment, unit_of_work(environment.engine):
            given_up = service.discard(event, reason)
        typer.echo(f"{given_up.event_id}  {given_up.state}  {given_up.dead_reason}")

    @app.command()
    def replay(
        reason: ReasonOption,
        state: Annotated[
            list[EventState] | None,
            typer.Option(help="DEAD, DELIVERED, or both by giving it twice; DEAD by default."),
        ] = None,
        since: Annotated[
            str | None, typer.Option(help="Only what was finished at or after (RFC 3339).")
        ] = None,
        until: Annotated[
            str | None, typer.Option(help="Only what was finished before (RFC 3339).")
        ] = None,
        market_player: PlayerOption = None,
        subscription: Annotated[
            UUID | None, typer.Option(help="Only what belongs to this subscription.")
        ] = None,
        kind: Annotated[EventKind | None, typer.Option(help="Only this kind.")] = None,
        reason_contains: Annotated[
            str | None, typer.Option(help="Only dead ones whose reason contains this.")
        ] = None,
        wait: Annotated[
            bool, typer.Option(help="Whether to work on it here and show how far it is.")
        ] = True,
    ) -> None:
        """Send finished deliveries again. Stopped, it goes on in any process that serves."""
        states = frozenset(state or [EventState.DEAD])
        if not states <= {EventState.DEAD, EventState.DELIVERED}:
            raise typer.BadParameter("Only DEAD and DELIVERED ones can be sent again.")
        with at_work() as environment:
            wanted = ReplayFilter(
                states=states,
                lane=None if market_player is None else str(market_player),
                ordering_key=None if subscription is None else str(subscription),
                kind=kind,
                since=_moment("since", since),
                until=_moment("until", until),
                reason_contains=reason_contains,
            )
            with unit_of_work(environment.engine):
                asked = replaying.request(wanted, reason)
            _show_replay(asked)
            if wait:
                _work(environment, asked)

    @app.command()
    def replays(
        state: Annotated[ReplayState | None, typer.Option(help="Only those in this state.")] = None,
    ) -> None:
        """List the newest replays."""
        with at_work() as environment, unit_of_work(environment.engine, read_only=True):
            for found in replaying.list_replays(limit=_PAGE, state=state).items:
                _show_replay(found)

    @app.command()
    def cancel(
        replay_id: Annotated[UUID, typer.Argument(help="The replay.")], reason: ReasonOption
    ) -> None:
        """Have a replay queue nothing more."""
        with at_work() as environment, unit_of_work(environment.engine):
            _show_replay(replaying.cancel(replay_id, reason))

    return app


def _work(environment: Environment, asked: Replay) -> None:
    """Do a replay's batches, as long as nobody else does, and show how far it is."""
    while True:
        started = time.monotonic()
        with unit_of_work(environment.engine):
            progress = replaying.advance(asked.id)
        with unit_of_work(environment.engine, read_only=True):
            now = replaying.read(asked.id)
        _show_replay(now)
        if now.finished_at is not None:
            return
        took = time.monotonic() - started
        time.sleep(took if progress is Progress.ADVANCED else _LOOK_AGAIN_SECONDS)


def _show_lane(standing: Standing) -> None:
    lane, depth = standing.lane, standing.depth
    parts = [
        f"{lane.name}  {lane.mode}  breaker {lane.breaker_state}",
        f"queued {depth.queued}, retrying {depth.retrying}, dead {depth.dead}",
    ]
    if depth.oldest_waiting_at is not None:
        parts.append(f"oldest {depth.oldest_waiting_at:%Y-%m-%d %H:%M:%S}")
    if lane.probe_at is not None:
        parts.append(f"next probe {lane.probe_at:%Y-%m-%d %H:%M:%S}")
    if lane.max_concurrency is not None:
        parts.append(f"at once {lane.max_concurrency}")
    if lane.max_per_second is not None:
        parts.append(f"a second {lane.max_per_second:g}")
    typer.echo("  ".join(parts))


def _show_replay(replay: Replay) -> None:
    typer.echo(
        f"{replay.id}  {replay.state}  {replay.progress:4.0%}  selected {replay.selected},"
        f" replayed {replay.replayed}, skipped {replay.skipped}  {replay.reason}"
    )


def _moment(name: str, text: str | None) -> datetime | None:
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise InvalidInput.field(
            name, "date-time", f"--{name} is not a time with offset, such as 2026-12-01T06:00:00Z."
        )
    return moment
