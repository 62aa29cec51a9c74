"""What a platform answers to the marketplace: the EU-MP API over its inbox and its keys."""

from datetime import datetime

from mpp_sdk import clock
from mpp_sdk.auth import InboundKeys
from mpp_sdk.contracts.eu_mp.handler import EuMpHandler
from mpp_sdk.contracts.eu_mp.models import (
    Acknowledgement,
    ConnectionStatus,
    ConnectionTest,
    HeldEventPage,
    HeldServiceOfferPage,
    IssuedApiKey,
    NotificationReplay,
    NotificationReplayOrder,
    PlatformRole,
    PointsOfDeliveryRequested,
    ServiceOfferCanceled,
    ServiceOfferChanged,
    ServiceOfferConfirmed,
)
from mpp_sdk.held import Held
from mpp_sdk.inbox import Inbox
from mpp_sdk.web.call import Principal, current_call

_MARKETPLACE = Principal("marketplace", "The marketplace")


class EuMpService(EuMpHandler):
    """Serves the EU-MP API."""

    def __init__(self, inbox: Inbox, keys: InboundKeys, held: Held) -> None:
        self._inbox = inbox
        self._keys = keys
        self._held = held

    def confirm_service_offer(
        self, platform_role: PlatformRole, body: ServiceOfferConfirmed
    ) -> Acknowledgement:
        """Record a confirmed subscription."""
        outcome = self._inbox.confirmed(platform_role, body)
        return Acknowledgement(event_id=body.event_id, outcome=outcome)

    def cancel_service_offer(
        self, platform_role: PlatformRole, body: ServiceOfferCanceled
    ) -> Acknowledgement:
        """Record that a subscription is over."""
        outcome = self._inbox.ended(platform_role, body)
        return Acknowledgement(event_id=body.event_id, outcome=outcome)

    def suspend_service_offer(
        self, platform_role: PlatformRole, body: ServiceOfferChanged
    ) -> Acknowledgement:
        """Record that a subscription is suspended."""
        outcome = self._inbox.suspended(platform_role, body)
        return Acknowledgement(event_id=body.event_id, outcome=outcome)

    def resume_service_offer(
        self, platform_role: PlatformRole, body: ServiceOfferChanged
    ) -> Acknowledgement:
        """Record that a subscription is active again."""
        outcome = self._inbox.resumed(platform_role, body)
        return Acknowledgement(event_id=body.event_id, outcome=outcome)

    def receive_requested_points_of_delivery(
        self, platform_role: PlatformRole, body: PointsOfDeliveryRequested
    ) -> Acknowledgement:
        """Record points of delivery to ask the provider for."""
        outcome = self._inbox.points_requested(platform_role, body)
        return Acknowledgement(event_id=body.event_id, outcome=outcome)

    def refresh_api_key(self) -> IssuedApiKey:
        """Return a new key; the edge gives the same one for the same Idempotency-Key."""
        issued = self._keys.issue()
        return IssuedApiKey(
            api_key=issued.api_key,
            valid_from=issued.valid_from,
            valid_until=issued.valid_until,
            previous_key_valid_until=issued.previous_key_valid_until,
        )

    def test_connection(self) -> ConnectionTest:
        """Say that this API is available."""
        contract = current_call().contract
        return ConnectionTest(
            status=ConnectionStatus.AVAILABLE,
            contract=contract.name,
            contract_version=contract.version,
            time=clock.now(),
        )

    def list_held_events(
        self, since: datetime, limit: int = 50, cursor: str | None = None
    ) -> HeldEventPage:
        """Return a page of the events that were received."""
        return self._held.events(since, limit, cursor)

    def list_held_service_offers(
        self, limit: int = 50, cursor: str | None = None
    ) -> HeldServiceOfferPage:
        """Return a page of the subscriptions that this platform holds."""
        return self._held.service_offers(limit, cursor)

    def replay_notifications(self, body: NotificationReplayOrder) -> NotificationReplay:
        """Queue a part of the acknowledged notifications again."""
        return self._held.replay_notifications(body)


class MarketplaceAuthenticator:
    """Knows the keys that were issued to the marketplace."""

    def __init__(self, keys: InboundKeys) -> None:
        self._keys = keys

    def authenticate(self, scheme: str, credential: str) -> Principal:
        """Return the marketplace. Raises Unauthenticated for a key that is not valid now."""
        self._keys.check(credential)
        return _MARKETPLACE
