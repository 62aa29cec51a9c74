"""What both platforms are told of a subscription (EU-MP API), each in its platform role."""

import json
from datetime import datetime
from uuid import UUID

from marketplace.catalogue import service as catalogue
from marketplace.delivery import service as delivery
from marketplace.delivery.domain import EventKind, PlatformRole
from marketplace.identity import service as identity
from marketplace.subscriptions.domain import ENDED, SubscriptionState
from marketplace.subscriptions.tables import Subscription
from mpp_sdk.contracts.eu_mp.models import (
    AgreedTerms,
    B2bAccess,
    CompanyReference,
    ConfirmedService,
    DataStandard,
    EndedSubscriptionState,
    MarketPlayerRole,
    Period,
    Price,
    ServiceCategory,
    ServiceOfferCanceled,
    ServiceOfferChanged,
    ServiceOfferConfirmed,
)
from mpp_sdk.ids import new_id
from mpp_sdk.secrets import new_secret

_KEY_PREFIX = "fxb"


def confirmed(row: Subscription) -> None:
    """Tell both platforms of a new subscription, with the key of its data exchange.

    The key goes into the encrypted part of the event only: nobody can read it here afterwards.
    """
    api_key = new_secret(_KEY_PREFIX)
    for role in PlatformRole:
        event = ServiceOfferConfirmed(
            event_id=new_id(),
            occurred_at=row.created_at,
            subscription_id=row.id,
            supersedes=row.supersedes,
            service=service_of(row),
            provider=_company(row.provider_id),
            requester=_company(row.requester_id),
            terms=terms_of(row),
            b2b=_b2b(row, api_key),
        )
        payload = event.model_dump_json(
            by_alias=True, exclude_none=True, exclude={"b2b": {"api_key"}}
        )
        secrets = json.dumps({"b2b": {"apiKey": api_key}})
        _tell(row, role, EventKind.SERVICE_OFFER_CONFIRMED, event, payload, secrets)


def service_of(row: Subscription) -> ConfirmedService:
    """Return the service as both platforms are told of it."""
    return ConfirmedService(
        service_id=row.service_id,
        version=row.service_number,
        name=row.service_name,
        category=ServiceCategory(row.category),
        data_standard=DataStandard(row.data_standard),
        consent_required=row.consent_required,
    )


def terms_of(row: Subscription) -> AgreedTerms:
    """Return the terms as both platforms are told of them."""
    return AgreedTerms(
        text=row.terms,
        price=Price.model_validate(row.price.model_dump()),
        validity=Period(start=row.validity_start, end=row.validity_end),
        interim_status_interval=row.interim_status_interval,
    )


def changed(row: Subscription, before: SubscriptionState, reason: str, moment: datetime) -> None:
    """Tell both platforms that a subscription has ended, was suspended or resumed.

    That it became ACTIVE for the first time they know: it did because they acknowledged.
    """
    for role in PlatformRole:
        if row.state in ENDED:
            ended = ServiceOfferCanceled(
                event_id=new_id(),
                occurred_at=moment,
                subscription_id=row.id,
                state=EndedSubscriptionState(row.state),
                reason=reason,
                superseded_by=row.superseded_by,
            )
            _tell(row, role, EventKind.SERVICE_OFFER_CANCELED, ended, ended.to_json().decode())
        elif before is not SubscriptionState.PENDING:
            kind = (
                EventKind.SERVICE_OFFER_SUSPENDED
                if row.state is SubscriptionState.SUSPENDED
                else EventKind.SERVICE_OFFER_RESUMED
            )
            other = ServiceOfferChanged(
                event_id=new_id(), occurred_at=moment, subscription_id=row.id, reason=reason
            )
            _tell(row, role, kind, other, other.to_json().decode())


def _tell(
    row: Subscription,
    role: PlatformRole,
    kind: EventKind,
    event: ServiceOfferConfirmed | ServiceOfferCanceled | ServiceOfferChanged,
    payload: str,
    secrets: str | None = None,
) -> None:
    delivery.enqueue(
        delivery.PlatformEvent(
            event_id=event.event_id,
            kind=kind,
            market_player_id=(
                row.provider_id if role is PlatformRole.PROVIDER else row.requester_id
            ),
            platform_role=role,
            subscription_id=row.id,
            occurred_at=event.occurred_at,
            payload=payload,
            secrets=secrets,
        )
    )


def _company(market_player_id: UUID) -> CompanyReference:
    company = identity.companies([market_player_id])[market_player_id]
    return CompanyReference(
        market_player_id=company.market_player_id,
        name=company.name,
        eic_code=company.eic_code,
        roles=[MarketPlayerRole(role) for role in company.roles],
    )


def _b2b(row: Subscription, api_key: str) -> B2bAccess:
    version = catalogue.version_of_subscription(row.service_id, row.service_number)
    integration = version.description.integration
    base_url = integration.base_url or identity.platform_base_url(row.provider_id)
    return B2bAccess(
        base_url=str(base_url),
        contract=integration.contract,
        contract_version=integration.contract_version,
        api_key=api_key,
    )
