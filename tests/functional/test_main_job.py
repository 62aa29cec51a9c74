"""The main job over HTTP: two companies agree, and their platforms integrate by themselves."""

from uuid import UUID

import pytest

from examples.demo.companies import run_set_up_test, wait_until
from mpp_sdk.client import ProblemError
from mpp_sdk.contracts.marketplace.models import (
    ActionReason,
    ActivationState,
    AuditedKind,
    ConsentState,
    CounterProposal,
    DeliveryState,
    OfferState,
    PlatformRole,
    PointOfDelivery,
    PointsOfDeliveryOrder,
    ServiceRequestDraft,
    ServiceRequestState,
    ServiceState,
    ServiceStatus,
    SubscriptionState,
)
from tests.functional.marketplace import (
    Marketplace,
    Platform,
    audit_trail,
    deliveries,
    description,
    subscribe,
    terms,
    until_state,
)
from tests.functional.platforms import DENIED, GRANTED, UNANSWERED

INTERVAL = "PT2S"


def test_two_companies_agree_and_their_platforms_integrate_by_themselves(
    marketplace: Marketplace,
) -> None:
    marketplace.start()
    provider, requester = marketplace.provider(), marketplace.requester()
    provider.process.start()
    requester.process.start()
    for platform in (provider, requester):
        assert run_set_up_test(platform.company).passed

    subscription_id = _agree(provider, requester)
    active = until_state(requester.company, subscription_id, SubscriptionState.ACTIVE)
    assert set(active.acknowledged_by) == set(PlatformRole)
    for platform in (provider, requester):
        assert platform.told(subscription_id) == ["confirmed"]

    _until_pods(
        provider,
        subscription_id,
        {
            **dict.fromkeys(GRANTED, (ConsentState.GRANTED, ActivationState.ACTIVE)),
            DENIED: (ConsentState.DENIED, None),
            UNANSWERED: (ConsentState.REQUESTED, None),
        },
    )
    _is_seen_doing_well_and_then_overdue(provider, requester, subscription_id)

    requester.company.client.cancel_subscription(
        subscription_id, ActionReason(reason="The portfolio was sold.")
    )
    for platform in (provider, requester):
        _until_told(platform, subscription_id, ["confirmed", "canceled"])
    _until_pods(
        provider,
        subscription_id,
        {
            **dict.fromkeys(GRANTED, (ConsentState.GRANTED, ActivationState.ENDED)),
            DENIED: (ConsentState.DENIED, None),
            UNANSWERED: (ConsentState.REQUESTED, None),
        },
    )
    assert _overdue(requester) == []
    with pytest.raises(ProblemError) as refused:
        provider.company.client.suspend_subscription(subscription_id, ActionReason(reason="Late."))
    assert refused.value.status == 409
    assert "CANCELED" in refused.value.problem.detail
    _is_all_on_record(marketplace, provider, requester, subscription_id)


def _agree(provider: Platform, requester: Platform) -> UUID:
    """Publish, find, request, offer, counter, offer anew, accept: return the subscription's id."""
    sells, wants = provider.company.client, requester.company.client
    draft = sells.create_service(description(INTERVAL)).body
    assert draft.state is ServiceState.DRAFT
    assert wants.list_services(q="hourly read").items == []
    published = sells.publish_service_version(draft.service_id, draft.version).body
    assert published.state is ServiceState.PUBLISHED
    found = wants.list_services(q="hourly read", country="ES").items
    assert [service.service_id for service in found] == [draft.service_id]

    request = wants.request_service(ServiceRequestDraft(service_id=draft.service_id)).body
    request_id = request.service_request_id
    assert request.state is ServiceRequestState.REQUESTED
    first = sells.make_offer(request_id, terms(INTERVAL)).body
    assert wants.read_service_request(request_id).body.state is ServiceRequestState.OFFERED
    countered = wants.counter_offer(request_id, CounterProposal(message="For two years.")).body
    assert countered.state is ServiceRequestState.REQUESTED
    assert sells.read_service_request(request_id).body.message == "For two years."
    with pytest.raises(ProblemError) as refused:
        wants.accept_offer(request_id, first.offer_id)
    assert refused.value.status == 409
    second = sells.make_offer(request_id, terms(INTERVAL)).body
    assert (first.revision, second.revision) == (1, 2)
    subscription = wants.accept_offer(request_id, second.offer_id).body
    assert subscription.state is SubscriptionState.PENDING
    assert wants.read_service_request(request_id).body.state is ServiceRequestState.CONFIRMED
    states = [offer.state for offer in wants.list_offers(request_id).items]
    assert states == [OfferState.ACCEPTED, OfferState.SUPERSEDED]
    return subscription.subscription_id


def _until_told(platform: Platform, subscription_id: UUID, expected: list[str]) -> None:
    wait_until("The end", lambda: platform.told(subscription_id) == expected, 20)


def _until_pods(
    provider: Platform,
    subscription_id: UUID,
    expected: dict[str, tuple[ConsentState | None, ActivationState | None]],
) -> None:
    seen: dict[str, PointOfDelivery] = {}

    def reached() -> bool:
        listed = provider.company.client.list_points_of_delivery(subscription_id).items
        seen.update({pod.pod_id: pod for pod in listed})
        return {pod: (one.consent, one.activation) for pod, one in seen.items()} == expected

    wait_until("Consents and activations", reached, 20)


def _is_seen_doing_well_and_then_overdue(
    provider: Platform, requester: Platform, subscription_id: UUID
) -> None:
    client = requester.company.client

    def reported() -> bool:
        statuses = client.list_interim_statuses(subscription_id).items
        return any(one.active_pods == len(GRANTED) for one in statuses)

    wait_until("An interim status", reported, 20)
    newest = client.list_interim_statuses(subscription_id).items[0]
    assert newest.status is ServiceStatus.OPERATIONAL
    wait_until("A status in time", lambda: _overdue(requester) == [], 20)
    provider.process.kill()
    wait_until("An overdue status", lambda: _overdue(requester) == [subscription_id], 20)
    provider.process.start()
    wait_until("The end of the delay", lambda: _overdue(requester) == [], 20)


def _overdue(requester: Platform) -> list[UUID]:
    return [one.subscription_id for one in requester.company.client.list_overdue().items]


def _is_all_on_record(
    marketplace: Marketplace, provider: Platform, requester: Platform, subscription_id: UUID
) -> None:
    operator = marketplace.operator()
    trail = audit_trail(operator, subscription_id)

    def story(kind: AuditedKind, entity_id: str) -> list[str | None]:
        return [
            entry.to_state
            for entry in trail
            if entry.entity_kind is kind and entry.entity_id == entity_id
        ]

    assert story(AuditedKind.SUBSCRIPTION, str(subscription_id)) == [
        "PENDING",
        "ACTIVE",
        "CANCELED",
    ]
    granted = f"{subscription_id}/{GRANTED[0]}"
    assert story(AuditedKind.CONSENT, granted) == ["REQUESTED", "GRANTED"]
    assert story(AuditedKind.ACTIVATION, granted) == ["REQUESTED", "ACTIVE", "ENDED"]
    assert story(AuditedKind.CONSENT, f"{subscription_id}/{DENIED}") == ["REQUESTED", "DENIED"]
    canceled = next(entry for entry in trail if entry.to_state == "CANCELED")
    assert canceled.reason == "The portfolio was sold."
    assert requester.company.name in canceled.actor

    sent = deliveries(operator, subscription_id)
    assert sorted((one.kind, one.platform_role) for one in sent) == sorted(
        (kind, role)
        for kind in ("service-offer.confirmed", "service-offer.canceled")
        for role in PlatformRole
    )
    assert {one.state for one in sent} == {DeliveryState.DELIVERED}
    received = {**provider.inbox(), **requester.inbox()}
    assert received == {one.event_id: "APPLIED" for one in sent}


def test_points_of_delivery_that_are_added_here_come_to_the_provider_from_the_other_platform(
    marketplace: Marketplace,
) -> None:
    marketplace.start()
    provider, requester = marketplace.provider(), marketplace.requester()
    provider.process.start()
    requester.process.start()
    subscription_id = _agree(provider, requester)
    # At once, while the platforms may not have heard of the subscription.
    order = PointsOfDeliveryOrder(pod_ids=["GRANTED-BY-HAND", "DENIED-BY-HAND"])
    client = requester.company.client
    made = client.request_points_of_delivery(subscription_id, order)
    assert (made.added_count, made.already_there_count) == (2, 0)
    again = client.request_points_of_delivery(subscription_id, order)
    assert (again.added, again.already_there, again.event_id) == ([], order.pod_ids, None)
    _until_pods(
        provider,
        subscription_id,
        {
            **dict.fromkeys(
                (*GRANTED, "GRANTED-BY-HAND"), (ConsentState.GRANTED, ActivationState.ACTIVE)
            ),
            **dict.fromkeys((DENIED, "DENIED-BY-HAND"), (ConsentState.DENIED, None)),
            UNANSWERED: (ConsentState.REQUESTED, None),
        },
    )
    listed = client.list_points_of_delivery(subscription_id).items
    by_hand = {pod.pod_id for pod in listed if pod.requested_at is not None}
    assert by_hand == set(order.pod_ids)
    with pytest.raises(ProblemError) as refused:
        provider.company.client.request_points_of_delivery(subscription_id, order)
    assert refused.value.status == 403


def test_a_platform_that_was_down_at_acceptance_gets_the_offer_details_once_it_runs(
    marketplace: Marketplace,
) -> None:
    marketplace.start()
    provider, requester = marketplace.provider(), marketplace.requester()
    with provider.in_this_process():
        subscription = subscribe(requester.company, provider.company)
        sub_id = subscription.subscription_id

        def provider_told() -> bool:
            seen = requester.company.client.read_subscription(sub_id).body
            return seen.acknowledged_by == [PlatformRole.PROVIDER]

        def tried_in_vain() -> bool:
            return any(
                one.state is DeliveryState.RETRYING
                for one in deliveries(requester.company.client, sub_id)
            )

        wait_until("The provider's acknowledgement", provider_told, 20)
        wait_until("An attempt in vain", tried_in_vain, 20)
        pending = requester.company.client.read_subscription(sub_id).body
        assert pending.state is SubscriptionState.PENDING
        with requester.in_this_process() as platform:
            active = until_state(requester.company, sub_id, SubscriptionState.ACTIVE)
            details = platform.subscriptions.get(sub_id)
            assert details.base_url == provider.url
            assert platform.subscriptions.key_for(sub_id)
        assert set(active.acknowledged_by) == set(PlatformRole)
        assert requester.told(sub_id) == ["confirmed"]
