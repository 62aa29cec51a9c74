"""The marketplace, put together: contracts, capabilities, delivery and periodic jobs."""

import importlib
import threading
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from types import ModuleType
from typing import Any

import anyio.to_thread
from sqlalchemy import Column, MetaData, text
from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from marketplace.activations import service as activations
from marketplace.activations.listeners import on_activation_changed
from marketplace.catalogue import service as catalogue
from marketplace.consents import service as consents
from marketplace.consents.listeners import on_consent_changed
from marketplace.core import migrations
from marketplace.core.database import Base
from marketplace.core.edge import REPLIES, MarketplaceEdge
from marketplace.core.environment import Environment
from marketplace.core.scheduler import Job, Scheduler
from marketplace.core.settings import Settings
from marketplace.core.unit_of_work import current_session
from marketplace.delivery import queue
from marketplace.delivery import service as delivery
from marketplace.delivery.domain import EventKind
from marketplace.delivery.listeners import on_delivered
from marketplace.delivery.worker import DeliveryWorker, WakeUps, check_client, make_broker
from marketplace.identity import access, rotation
from marketplace.identity import service as identity
from marketplace.identity.authentication import CredentialAuthenticator
from marketplace.identity.directory import PlatformDirectory
from marketplace.identity.listeners import (
    on_player_deregistered,
    on_player_reinstated,
    on_player_suspended,
)
from marketplace.monitoring import service as monitoring
from marketplace.subscriptions import negotiation
from marketplace.subscriptions import service as subscriptions
from marketplace.subscriptions.listeners import on_subscription_changed
from mpp_sdk.database import open_database, reading
from mpp_sdk.errors import Unavailable
from mpp_sdk.web.access_log import log_to_file
from mpp_sdk.web.binding import BoundContract, bind
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.docs import docs_routes
from mpp_sdk.web.server import compose

CONTRACTS = ("marketplace", "notifications")
"""The contracts that are served, each at its own base path."""

PLATFORM_CONTRACTS = ("eu_mp", "metering")
"""The contracts that platforms serve, which the reference shows beside our own."""

CAPABILITIES = (
    "identity",
    "delivery",
    "catalogue",
    "subscriptions",
    "consents",
    "activations",
    "monitoring",
)
"""The folders that hold what the marketplace can do."""


def create_app(settings: Settings) -> ASGIApp:
    """Return the marketplace as an ASGI application.

    Delivery and periodic jobs run for as long as it is served. Raises Unavailable when the database
    is not at the revision that this version needs; an embedded one is brought there. Raises
    SettingsError when it cannot run with the settings, ModuleNotFoundError when a client that they
    need is not installed.
    """
    environment = open_environment(settings)
    check_client(settings.broker_url)
    wire()
    if settings.access_log is not None:
        log_to_file(settings.access_log)
    contracts = bound_contracts(environment)
    by_platforms = [Contract.load(name) for name in PLATFORM_CONTRACTS]
    routes = [*docs_routes(contracts, by_platforms), _health(environment)]
    return compose(contracts, routes, lifespan=_lifespan(environment))


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
    migrations.check_known(environment.engine)
    found = migrations.revision_of(environment.engine)
    needed = migrations.newest_revision(environment.engine)
    if found != needed:
        raise Unavailable(
            f"The database is at revision {found or 'none'}, this version needs {needed}: run "
            "`flexagora database upgrade`."
        )
    return environment


def bound_contracts(environment: Environment) -> Sequence[BoundContract]:
    """Return the contracts, bound to the capabilities. Raises ContractError."""
    settings = environment.settings
    edge = MarketplaceEdge(environment, access.entering)
    authenticator = CredentialAuthenticator(environment)
    return [
        bind(
            Contract.load(name),
            _handler,
            edge=edge,
            authenticator=authenticator,
            body_limit=settings.max_body_bytes,
            threads=settings.handler_threads,
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


def jobs() -> list[Job]:
    """Return what is done periodically in the database."""
    return [
        Job("forget ended credentials", identity.forget_ended),
        Job("expire requests", negotiation.expire_due_requests),
        Job("expire subscriptions", subscriptions.expire_due_subscriptions),
        Job("expire consents", consents.expire_due_consents),
        Job("forget delivered events", delivery.forget_delivered),
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


def _lifespan(environment: Environment) -> Callable[[Any], AbstractAsyncContextManager[None]]:
    @asynccontextmanager
    async def lifespan(_: Any) -> AsyncIterator[None]:
        stop = await anyio.to_thread.run_sync(_start, environment)
        try:
            yield
        finally:
            await anyio.to_thread.run_sync(stop)

    return lifespan


def _start(environment: Environment) -> Callable[[], None]:
    """Start what runs beside the server; return what stops it."""
    stopping = threading.Event()

    def refresh_keys() -> int:
        return rotation.refresh_due_keys(environment, stopping.is_set)

    schedulers = [
        Scheduler(environment, jobs(), stopping),
        # A platform that does not answer must not hold up the rest.
        Scheduler(environment, [Job("refresh API keys", refresh_keys, False)], stopping),
    ]
    deliverer = delivery_part(environment)
    deliverer.start()
    for scheduler in schedulers:
        scheduler.start()

    def stop() -> None:
        stopping.set()
        for scheduler in schedulers:
            scheduler.stop()
        deliverer.stop()
        environment.engine.dispose()

    return stop


def delivery_part(environment: Environment) -> DeliveryWorker | WakeUps:
    """Return what delivers, or, where other processes do, what wakes them."""
    if environment.settings.deliver:
        return DeliveryWorker(environment, PlatformDirectory(environment))
    wake_ups = WakeUps(make_broker(environment.settings.broker_url))
    queue.wake_with(environment, wake_ups.send)
    return wake_ups


def _health(environment: Environment) -> BaseRoute:
    def check() -> None:
        with reading(environment.engine).connect() as connection:
            connection.execute(text("SELECT 1"))

    async def health(_: Request) -> Response:
        try:
            await anyio.to_thread.run_sync(check)
        except Exception as error:
            raise Unavailable("The database does not answer.") from error
        return JSONResponse({"status": "AVAILABLE"}, headers={"Cache-Control": "no-store"})

    return Route("/healthz", health)
