"""The base of every market player's platform: a subclass of it fills in the callbacks."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Protocol
from uuid import UUID

from sqlalchemy import text
from starlette.types import ASGIApp

from mpp_sdk import clock
from mpp_sdk.auth import InboundKeys, KeyPolicy, OutboundKey
from mpp_sdk.contracts.notifications.models import ServiceStatus
from mpp_sdk.database import open_database
from mpp_sdk.edge import PlatformEdge
from mpp_sdk.eu_mp import EuMpService, MarketplaceAuthenticator
from mpp_sdk.held import Held
from mpp_sdk.inbox import Inbox
from mpp_sdk.jobs import Job
from mpp_sdk.notifications.connection import MarketplaceConnection
from mpp_sdk.notifications.log import NotificationLog
from mpp_sdk.notifications.notifier import OutboxNotifier
from mpp_sdk.notifications.sender import LEASE, NotificationSender
from mpp_sdk.outbox import Outbox
from mpp_sdk.outbox.observing import AttemptLog, Observers
from mpp_sdk.readiness import Readiness
from mpp_sdk.schema import bring_up_to_date
from mpp_sdk.settings import PlatformSettings
from mpp_sdk.state.activations import Activations
from mpp_sdk.state.consents import Consents
from mpp_sdk.state.pods import PointsOfDelivery, SubscribedPod
from mpp_sdk.state.requested import RequestedPods
from mpp_sdk.state.subscriptions import (
    Subscription,
    Subscriptions,
    count_active_pods,
    find_subscription,
    next_interim_at,
)
from mpp_sdk.state.tables import OUTBOX_TABLES, Base
from mpp_sdk.transactions import Transactions
from mpp_sdk.transport import AddressPolicy, GuardedClient, GuardedSession
from mpp_sdk.web.binding import BoundContract, bind, methods_of
from mpp_sdk.web.call import Authenticator
from mpp_sdk.web.contract import Contract
from mpp_sdk.web.health import health_routes
from mpp_sdk.web.limits import CallLimits
from mpp_sdk.web.operations import operations_port
from mpp_sdk.web.server import compose
from mpp_sdk.web.validation import DEFAULT_LIMIT

if TYPE_CHECKING:
    from mpp_sdk.platform_metrics import PlatformMetrics

_LOG = logging.getLogger(__name__)
_HOUSEKEEPING = timedelta(seconds=1)
_PURGE = timedelta(hours=1)
_KEY_CHECK = timedelta(seconds=60)
_ASK_AGAIN = timedelta(seconds=60)


class ContractService(Authenticator, Protocol):
    """A handler of a further contract, with the name of the contract and its own callers."""

    contract: str


class Companion(Protocol):
    """Something that works for as long as a platform is served."""

    def start(self) -> None:
        """Begin to work."""

    def stop(self) -> None:
        """End what is under way, and work no more."""


class MarketPlayerPlatform:
    """A market player's platform: its state, its connection to the marketplace, its server.

    An integrator overrides the `on_...` callbacks. Each runs in the transaction that records the
    event: what it writes through `transactions`, `consents` and `activations` commits together with
    it, and when it raises, nothing is recorded and the marketplace sends the event again. Work that
    takes longer, or calls others, belongs in a job of `every`.
    """

    def __init__(self, settings: PlatformSettings | None = None) -> None:
        self.settings = settings or PlatformSettings()
        file = self.settings.sqlite_file()
        if file is not None:
            file.parent.mkdir(parents=True, exist_ok=True)
        self.engine = open_database(self.settings.database_url)
        bring_up_to_date(self.engine, Base.metadata)
        self.transactions = Transactions(self.engine)
        box = self.settings.secret_box()

        self.inbound_keys = InboundKeys(
            self.transactions,
            KeyPolicy(
                self.settings.key_validity, self.settings.key_overlap, self.settings.key_grace
            ),
        )
        self.outbound_key = OutboundKey(self.transactions, box, self.settings.marketplace_url)
        self.marketplace = MarketplaceConnection(
            self.settings.marketplace_url,
            GuardedSession(self.address_policy),
            GuardedClient(self.address_policy),
            self.outbound_key,
        )
        self._metrics = _metrics(self.settings, self.transactions)
        outbox = Outbox(self.engine, OUTBOX_TABLES, box, lease_duration=LEASE)
        counting = [self._metrics.outbox] if self._metrics else []
        self._sender = NotificationSender(
            outbox, self.marketplace, Observers(AttemptLog(), *counting)
        )
        self._notifier = OutboxNotifier(self.transactions, outbox, self._sender.wake)
        self.notifications = NotificationLog(self.transactions, outbox, self._sender.wake)

        self.subscriptions = Subscriptions(self.transactions, box)
        self.points_of_delivery = PointsOfDelivery(self.transactions)
        self.activations = Activations(self.transactions, self._notifier)
        self.consents = Consents(self.transactions, self.activations, self._notifier)
        self._requested_pods = RequestedPods(self.transactions)
        inbox = Inbox(
            self.transactions, self.subscriptions, self.activations, self._requested_pods, self
        )
        held = Held(
            self.transactions,
            self.outbound_key,
            self.settings.notification_retention,
            self._sender.wake,
        )
        self._eu_mp = EuMpService(inbox, self.inbound_keys, held)
        self._edge = PlatformEdge(
            self.transactions,
            box,
            [secret.get_secret_value() for secret in self.settings.signing_secrets],
        )
        self._limits = CallLimits.of(self.settings)
        self.readiness = Readiness()
        self.readiness.check("database", self._check_database)
        self._services: list[tuple[ContractService, int]] = []
        self._companions: list[Companion] = []
        self.every(_HOUSEKEEPING, self._keep_house)
        self.every(_KEY_CHECK, self._refresh_key)
        self.every(_PURGE, self._edge.forget_old_replies)
        self.every(_PURGE, self._forget_notifications)
        self.every(_KEY_CHECK, self._advance_replays)
        self._requested_pods_job = self.every(_ASK_AGAIN, self._ask_for_points_of_delivery)

    # ---- for the integrator to override

    def on_subscription_confirmed(self, subscription: Subscription) -> None:
        """Do what a new subscription needs; `subscription.role` says which side this is."""

    def on_subscription_canceled(self, subscription: Subscription) -> None:
        """Do what the end of a subscription needs. Its activations are ENDED already."""

    def on_subscription_suspended(self, subscription: Subscription) -> None:
        """Do what a suspension needs. Its activations are suspended already."""

    def on_subscription_resumed(self, subscription: Subscription) -> None:
        """Do what the end of a suspension needs. Its activations are ACTIVE again already."""

    def on_points_of_delivery_requested(
        self, subscription: Subscription, pods: Sequence[SubscribedPod]
    ) -> None:
        """Ask the customers of points of delivery that are asked for the first time.

        Record each answer with `consents`, now or whenever it comes.
        """

    def request_points_of_delivery(
        self, subscription: Subscription, pod_ids: Sequence[str]
    ) -> None:
        """Ask the provider for points of delivery that the company added at the marketplace.

        As it stands, over the metering API (which needs the extra `metering`). It runs in a job:
        what it raises is logged, and the same are asked for again a minute later, for as long as
        the subscription runs. To be asked for twice must harm nobody.
        """
        if subscription.contract != "metering":
            raise NotImplementedError(
                f"Override request_points_of_delivery for the contract {subscription.contract}."
            )
        from mpp_sdk.metering.client import MeteringRequester  # an extra of its own

        MeteringRequester(self, subscription, attempts=1).request(pod_ids)

    def service_status(self, subscription: Subscription) -> ServiceStatus:
        """Return how the service is doing, for the periodic interim status."""
        return ServiceStatus.OPERATIONAL

    # ---- for the integrator to call

    @property
    def address_policy(self) -> AddressPolicy:
        """Return which addresses this platform may call."""
        return AddressPolicy(self.settings.allow_private_addresses, self.settings.allow_http)

    def every(self, interval: timedelta, function: Callable[[], object]) -> Job:
        """Have a function run at an interval while the platform is served; return the job.

        Inside a callback, `wake_later(job)` makes it run as soon as the transaction has committed.
        """
        job = Job(getattr(function, "__name__", "job"), interval, function)
        self._companions.append(job)
        return job

    def accompany(self, companion: Companion) -> None:
        """Have something start when the platform is served, and stop with it."""
        self._companions.append(companion)

    def wake_later(self, job: Job) -> None:
        """Run a job as soon as the present transaction has committed, or now outside of one."""
        self.transactions.after_commit(job.wake)

    def serve_contract(self, service: ContractService, *, body_limit: int = DEFAULT_LIMIT) -> None:
        """Serve a further contract beside the EU-MP API. The service authenticates its callers.

        Of a body at most body_limit bytes are read.
        """
        self._services.append((service, body_limit))

    def app(self) -> ASGIApp:
        """Return the ASGI application; while it is served, notifications are sent and jobs run.

        `GET /healthz` answers for as long as the process does; `GET /readyz` says whether it can do
        its work.
        """
        return compose(
            self.bound_contracts(),
            health_routes(self.readiness),
            lifespan=self._lifespan,
            answered=self._metrics.http.answered if self._metrics else None,
        )

    @contextmanager
    def operations_port(self) -> Iterator[str]:
        """Serve health checks and `/metrics` at the operations port while a block runs.

        Gives the base URL, which is empty when the settings name no port. Raises OSError when the
        address cannot be had.
        """
        routes = health_routes(self.readiness)
        if self._metrics is not None:
            routes.append(self._metrics.meters.route())
        with operations_port(
            self.settings.operations_host, self.settings.operations_port, routes
        ) as url:
            yield url

    def bound_contracts(self) -> list[BoundContract]:
        """Return the contracts that this platform serves."""
        marketplace = MarketplaceAuthenticator(self.inbound_keys)
        return [
            self._bind("eu_mp", self._eu_mp, marketplace),
            *(
                self._bind(service.contract, service, service, body_limit)
                for service, body_limit in self._services
            ),
        ]

    def adopt_keys(self) -> None:
        """Take the first keys of the settings, unless later ones have replaced them."""
        configured = self.settings.inbound_api_key
        self.inbound_keys.adopt(configured.get_secret_value() if configured else None)
        presented = self.settings.api_key
        self.outbound_key.adopt(presented.get_secret_value() if presented else None)

    def start(self) -> None:
        """Take the first keys, start sending notifications and running jobs."""
        self.adopt_keys()
        self._sender.start()
        for companion in self._companions:
            companion.start()

    def stop(self) -> None:
        """Stop jobs and sending. What is not sent yet goes out after the next start."""
        for companion in self._companions:
            companion.stop()
        self._sender.stop()
        self.engine.dispose()

    # ---- inside

    def _bind(
        self,
        name: str,
        handler: object,
        authenticator: Authenticator,
        body_limit: int = DEFAULT_LIMIT,
    ) -> BoundContract:
        return bind(
            Contract.load(name),
            methods_of(handler),
            edge=self._edge,
            authenticator=authenticator,
            body_limit=body_limit,
            limits=self._limits,
        )

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        await asyncio.to_thread(self.start)
        _LOG.info("The platform %s is ready", self.settings.name)
        try:
            yield
        finally:
            await asyncio.to_thread(self.stop)

    def _lifespan(self, _app: Any) -> AbstractAsyncContextManager[None]:
        return self._serving()

    def _check_database(self) -> str | None:
        with self.transactions.reading() as session:
            session.execute(text("SELECT 1"))
        return None

    def on_points_of_delivery_added(self, subscription_id: UUID, pod_ids: Sequence[str]) -> None:
        """Ask the provider as soon as the event is recorded."""
        self.wake_later(self._requested_pods_job)

    def _ask_for_points_of_delivery(self) -> None:
        for subscription in self._requested_pods.awaiting(clock.now()):
            try:
                while pod_ids := self._requested_pods.to_ask(subscription.id):
                    self.request_points_of_delivery(subscription, pod_ids)
                    self._requested_pods.mark_asked(subscription.id, pod_ids)
            except Exception:  # no other provider waits for this one, which is asked again
                _LOG.exception("%s was not asked yet", subscription.provider.name)

    def _refresh_key(self) -> None:
        self.marketplace.refresh_key_if_due(self.settings.key_refresh_before)

    def _advance_replays(self) -> None:
        """Go on with what a command that was stopped has left."""
        for replay in self.notifications.advance_replays():
            _LOG.info("The replay %s has queued %d notifications", replay.id, replay.replayed)

    def _forget_notifications(self) -> None:
        self.notifications.forget_delivered(clock.now() - self.settings.notification_retention)

    def _keep_house(self) -> None:
        moment = clock.now()
        self.consents.expire_due(moment)
        self.consents.time_out_due(self.settings.consent_timeout, moment)
        for subscription_id in self.subscriptions.due_for_interim(moment):
            subscription = self.subscriptions.get(subscription_id)
            status = self.service_status(subscription)
            with self.transactions() as session:
                row = find_subscription(session, subscription_id, lock=True)
                row.next_interim_at = next_interim_at(subscription, moment)
                active_pods = count_active_pods(session, subscription_id)
                self._notifier.interim(session, subscription_id, status, active_pods)


def _metrics(settings: PlatformSettings, transactions: Transactions) -> "PlatformMetrics | None":
    """Return the platform's metrics where somebody can ask for them, else None."""
    if settings.operations_port is None:
        return None
    from mpp_sdk.platform_metrics import PlatformMetrics  # an extra of its own

    return PlatformMetrics(transactions)
