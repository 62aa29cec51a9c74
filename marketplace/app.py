"""The marketplace, put together: contracts, capabilities, delivery and periodic jobs."""

import importlib
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import ModuleType
from typing import Any

import anyio.to_thread
from sqlalchemy import Column, MetaData
from starlette.routing import Mount
from starlette.types import ASGIApp

from marketplace.accounts import retention as accounts
from marketplace.accounts.postman import Postman
from marketplace.accounts.smtp import check_mail
from marketplace.activations import service as activations
from marketplace.activations.listeners import on_activation_changed
from marketplace.catalogue import service as catalogue
from marketplace.consents import service as consents
from marketplace.consents.listeners import on_consent_changed, on_consents_awaited
from marketplace.core import migrations
from marketplace.core.database import Base
from marketplace.core.edge import REPLIES, MarketplaceEdge
from marketplace.core.environment import Environment
from marketplace.core.scheduler import Job, Scheduler
from marketplace.core.settings import Settings
from marketplace.core.unit_of_work import current_session
from marketplace.delivery import queue, retention
from marketplace.delivery.domain import EventKind
from marketplace.delivery.listeners import on_delivered
from marketplace.delivery.replaying import Replayer
from marketplace.delivery.wake_ups import WakeUps, check_client, make_broker
from marketplace.delivery.watching import watch_broker
from marketplace.delivery.worker import DeliveryWorker
from marketplace.identity import access, rotation, versions
from marketplace.identity import service as identity
from marketplace.identity.authentication import CredentialAuthenticator
from marketplace.identity.directory import PlatformDirectory
from marketplace.identity.listeners import (
    on_player_deregistered,
    on_player_reinstated,
    on_player_suspended,
)
from marketplace.monitoring import over_time
from marketplace.monitoring import service as monitoring
from marketplace.operations import Operations
from marketplace.subscriptions import negotiation
from marketplace.subscriptions import service as subscriptions
from marketplace.subscriptions.listeners import on_subscription_changed
from marketplace.website.mount import Website
from mpp_sdk.database import open_database
from mpp_sdk.metrics import HttpMeters
from mpp_sdk.web.access_log import log_to_file
from mpp_sdk.web.binding import BoundContract, bind
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.docs import docs_routes
from mpp_sdk.web.limits import CallLimits
from mpp_sdk.web.server import compose

CONTRACTS = ("marketplace", "notifications")
"""The contracts that are served, each at its own base path."""

PLATFORM_CONTRACTS = ("eu_mp", "metering", "flexoffer")
"""The contracts that platforms serve, which the reference shows beside our own."""

CAPABILITIES = (
    "identity",
    "accounts",
    "delivery",
    "catalogue",
    "subscriptions",
    "consents",
    "activations",
    "monitoring",
    "recovery",
)
"""The folders that hold what the marketplace can do."""


def create_app(settings: Settings) -> ASGIApp:
    """Return the marketplace as an ASGI application.

    Delivery and periodic jobs run for as long as it is served. Raises Unavailable when this
    version does not work on the schema of the database; an embedded one is brought forward. Raises
    SettingsError when it cannot run with the settings, ModuleNotFoundError when a client that they
    need is not installed.
    """
    return Application(open_environment(settings)).app


class Application:
    """The marketplace of an environment: what is served in public, and what operators see of it.

    Raises SettingsError and ModuleNotFoundError as create_app does.
    """

    def __init__(self, environment: Environment) -> None:
        settings = environment.settings
        check_client(settings.broker_url)
        settings.check_sign_in()
        check_mail(settings)
        wire()
        if settings.access_log is not None:
            log_to_file(settings.access_log)
        edge = MarketplaceEdge(environment, access.entering)
        limits = CallLimits.of(settings)
        contracts = bound_contracts(environment, edge, limits)
        by_platforms = [Contract.load(name) for name in PLATFORM_CONTRACTS]
        website = Website(environment, edge, limits)
        self.environment = environment
        self.site = website.site
        self.operations = Operations(environment, contracts)
        self.app: ASGIApp = compose(
            contracts,
            [
                *docs_routes(contracts, by_platforms),
                *self.operations.routes(),
                Mount("/", website),
            ],
            lifespan=_lifespan(environment, edge),
            answered=environment.meters.of(HttpMeters).answered,
        )


def open_environment(settings: Settings) -> Environment:
    """Return the environment of the settings, its database ready.

    Raises SettingsError, and Unavailable as create_app does.
    """
    settings.check_keys()
    if settings.embedded:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    environment = Environment(
        settings,
        open_database(settings.effective_database_url, pool_size=settings.database_pool_size),
    )
    if settings.embedded:
        migrations.upgrade(environment.engine)
        return environment
    migrations.check_usable(environment.engine)
    return environment


def bound_contracts(
    environment: Environment,
    edge: MarketplaceEdge | None = None,
    limits: CallLimits | None = None,
) -> Sequence[BoundContract]:
    """Return the contracts, bound to the capabilities. Raises ContractError.

    Whoever gives an edge stops it, too, so that the calls that wait in it are carried out.
    """
    settings = environment.settings
    edge = edge or MarketplaceEdge(environment, access.entering)
    authenticator = CredentialAuthenticator(environment)
    limits = limits or CallLimits.of(settings)
    return [
        bind(
            Contract.load(name),
            _handler,
            edge=edge,
            authenticator=authenticator,
            body_limit=settings.max_body_bytes,
            threads=settings.handler_threads,
            limits=limits,
        )
        for name in CONTRACTS
    ]


def metadata() -> MetaData:
    """Return every table of the marketplace."""
    for capability in CAPABILITIES:
        _module(capability, "tables")
    return Base.metadata


def encrypted_columns() -> list[Column[Any]]:
    """Return every column that holds what the settings' keys encrypt."""
    tables = metadata().tables
    return [
        tables["platform_key"].c.encrypted_key,
        tables["signing_secret"].c.encrypted_secret,
        tables["person"].c.encrypted_totp_secret,
        tables["mail"].c.encrypted_text,
        tables["outbox_event"].c.encrypted_secrets,
        tables["idempotent_reply"].c.reply,
    ]


def wire() -> None:
    """Have each capability react to what happens in those below it."""
    on_delivered(EventKind.SERVICE_OFFER_CONFIRMED, subscriptions.acknowledge)
    on_player_suspended(subscriptions.suspend_those_of)
    on_player_reinstated(subscriptions.resume_those_of)
    on_player_deregistered(negotiation.end_requests_of)
    on_player_deregistered(subscriptions.cancel_those_of)
    on_player_deregistered(catalogue.withdraw_all_of)
    on_consent_changed(activations.follow_consent)
    on_subscription_changed(activations.follow_subscription)
    on_subscription_changed(monitoring.follow_subscription)
    on_consent_changed(monitoring.follow_consent)
    on_activation_changed(monitoring.follow_activation)
    on_consents_awaited(activations.await_consents)


def jobs() -> list[Job]:
    """Return what is done periodically in the database."""
    return [
        Job("forget ended credentials", identity.forget_ended),
        Job("forget ended sign-ins", accounts.forget_ended),
        Job("name services", catalogue.name_versions),
        Job("count over time", over_time.count_due),
        Job("expire requests", negotiation.expire_due_requests),
        Job("expire subscriptions", subscriptions.expire_due_subscriptions),
        Job("expire consents", consents.expire_due_consents),
        Job("forget kept answers", lambda: REPLIES.purge(current_session().connection())),
    ]


def _handler(operation_id: str) -> Callable[..., object]:
    capability, _, name = operation_id.partition(".")
    if capability not in CAPABILITIES:
        raise LookupError(f"there is no capability {capability}")
    function: Callable[..., object] = getattr(_module(capability, "api"), name)
    return function


def _module(capability: str, name: str) -> ModuleType:
    return importlib.import_module(f"marketplace.{capability}.{name}")


def _lifespan(
    environment: Environment, edge: MarketplaceEdge
) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        stop = await anyio.to_thread.run_sync(_start, environment, edge)
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(stop)

    return lifespan


def _start(environment: Environment, edge: MarketplaceEdge) -> Callable[[], None]:
    """Start what runs beside the server; return what stops it."""
    stopping = threading.Event()

    def refresh_keys() -> int:
        return rotation.refresh_due_keys(environment, stopping.is_set)

    def ask_versions() -> int:
        return versions.ask_due_platforms(environment, stopping.is_set)

    def forget_events() -> int:
        return retention.forget_old(environment, stopping.is_set)

    schedulers = [
        Scheduler(environment, jobs(), stopping),
        # After a busy day there is much to forget.
        Scheduler(environment, [Job("forget old events", forget_events, False)], stopping),
        # A platform that does not answer must not hold up the rest.
        Scheduler(environment, [Job("refresh API keys", refresh_keys, False)], stopping),
        Scheduler(environment, [Job("ask for versions", ask_versions, False)], stopping),
    ]
    replayer = Replayer(environment)
    deliverer = delivery_part(environment)
    postman = Postman(environment)
    deliverer.start()
    replayer.start()
    postman.start()
    for scheduler in schedulers:
        scheduler.start()

    def stop() -> None:
        stopping.set()
        edge.stop()
        for scheduler in schedulers:
            scheduler.stop()
        postman.stop()
        replayer.stop()
        deliverer.stop()
        environment.engine.dispose()

    return stop


def delivery_part(environment: Environment) -> DeliveryWorker | WakeUps:
    """Return what delivers, or, where other processes do, what wakes them.

    Who delivers learns what platforms acknowledge, and what others make of it is done there too.
    """
    if environment.settings.deliver:
        wire()
        return DeliveryWorker(environment, PlatformDirectory(environment))
    wake_ups = WakeUps(make_broker(environment.settings.broker_url), meters=environment.meters)
    watch_broker(environment, wake_ups)
    queue.wake_with(environment, wake_ups.send)
    return wake_ups
