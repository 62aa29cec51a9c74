"""How two companies come to a subscription: publish, find, request, offer, accept, acknowledge."""

from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from examples.demo.companies import Company, DidNotHappen, wait_until
from examples.demo.stage import Stage
from mpp_sdk.contracts.marketplace.models import (
    OfferDraft,
    Period,
    Price,
    PriceModel,
    ServiceDescription,
    ServiceRequestDraft,
    Subscription,
    SubscriptionState,
)

INTERIM_INTERVAL = "PT5S"


@dataclass(frozen=True)
class Wish:
    """What a requester looks for, and says when it asks for it."""

    words: str
    message: str


@dataclass(frozen=True)
class Steps:
    """The numbers of the steps in which two companies agree."""

    request: int
    offer: int
    acceptance: int


def publish(stage: Stage, provider: Company, description: ServiceDescription) -> UUID:
    """Publish a service in the catalogue and return its id."""
    draft = provider.client.create_service(description).body
    provider.client.publish_service_version(draft.service_id, draft.version)
    stage.say(f"{provider.name} published the service “{description.name}”.")
    return draft.service_id


def agree(
    stage: Stage,
    requester: Company,
    provider: Company,
    service_id: UUID,
    wish: Wish,
    terms: str,
    steps: Steps,
) -> UUID:
    """Return the subscription that the two agree on. Raises DidNotHappen."""
    stage.heading(steps.request)
    found = requester.client.list_services(q=wish.words)
    if service_id not in {service.service_id for service in found.items}:
        raise DidNotHappen("The published service was not found in the catalogue.")
    request = requester.client.request_service(
        ServiceRequestDraft(service_id=service_id, message=wish.message)
    ).body
    stage.show()
    stage.say(f"The request is {request.state}.")

    if steps.offer != steps.request:
        stage.heading(steps.offer)
    offer = provider.client.make_offer(
        request.service_request_id,
        OfferDraft(
            terms=terms,
            price=Price(model=PriceModel.FREE),
            validity=Period(start=stage.started_at - timedelta(minutes=1)),
            interim_status_interval=INTERIM_INTERVAL,
            valid_until=stage.started_at + timedelta(days=14),
        ),
    ).body
    stage.show()
    stage.say(f"Offer {offer.revision} is {offer.state}.")

    stage.heading(steps.acceptance)
    subscription = requester.client.accept_offer(request.service_request_id, offer.offer_id).body
    stage.say(f"The subscription is {subscription.state}: neither platform knows of it yet.")
    return subscription.subscription_id


def until_active(stage: Stage, requester: Company, subscription_id: UUID) -> None:
    """Wait until both platforms have acknowledged a subscription. Raises DidNotHappen."""

    def active() -> Subscription | None:
        subscription = requester.client.read_subscription(subscription_id).body
        return subscription if subscription.state is SubscriptionState.ACTIVE else None

    wait_until("The acknowledgement by both platforms", active)
    stage.show()
    stage.say("The subscription is ACTIVE: both have acknowledged.")
