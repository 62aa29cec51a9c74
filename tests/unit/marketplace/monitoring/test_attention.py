from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy import insert, update

from marketplace.core.unit_of_work import current_session
from marketplace.delivery import service as delivery
from marketplace.delivery.attention import MOST_COUNTED
from marketplace.delivery.requests import HIDDEN, SentRequest, request_of
from marketplace.delivery.tables import OUTBOX
from marketplace.identity import overview
from marketplace.identity.domain import CredentialKind, MarketPlayerState
from marketplace.identity.overview import PlayerSort
from marketplace.identity.repository import MarketPlayerFilter
from marketplace.identity.tables import ApiKey, Credential, IntegrationTest, PlatformKey
from marketplace.monitoring.attention import LATE_AFTER, Attention, read_attention
from marketplace.subscriptions import service as subscriptions
from mpp_sdk import clock
from mpp_sdk.errors import Forbidden, NotFound
from mpp_sdk.ids import first_id_of, new_id
from mpp_sdk.outbox import Attempt, EventState
from tests.unit.marketplace.market import DAY, OPERATOR, Company, Market, set_clock


@pytest.fixture
def made(market: Market, provider: Company, requester: Company) -> UUID:
    return market.subscribed(provider, requester, market.published(provider))


def seen(market: Market) -> Attention:
    return market.call(OPERATOR, read_attention)


def add(market: Market, row: Any) -> None:
    def work() -> None:
        current_session().add(row)

    market.call(None, work)


def test_when_all_is_well_nothing_needs_a_hand(market: Market, made: UUID) -> None:
    market.all_heard()
    found = seen(market)
    for kind in (
        found.pending_players,
        found.failed_tests,
        found.held_lanes,
        found.dead_deliveries,
        found.late_deliveries,
        found.overdue_statuses,
        found.ending_platform_keys,
        found.ending_api_keys,
    ):
        assert (kind.count, list(kind.first), kind.more) == (0, [], False)
    assert list(found.dead_reasons) == []


def test_it_is_for_operators_alone(market: Market, provider: Company) -> None:
    with pytest.raises(Forbidden):
        market.call(provider, read_attention)
    with pytest.raises(Forbidden):
        market.call(provider, overview.list_players, MarketPlayerFilter(), 9, None)


def test_companies_that_wait_are_seen_those_first_that_wait_longest(market: Market) -> None:
    made = [market.company(f"C{n}", state=MarketPlayerState.PENDING) for n in range(7)]
    waiting = seen(market).pending_players
    assert (waiting.count, [one.id for one in waiting.first]) == (7, [one.id for one in made[:5]])


def note_test(market: Market, company: Company, passed: bool) -> None:
    row = IntegrationTest(
        market_player_id=company.id, passed=passed, started_at=clock.now(), steps=[]
    )
    add(market, row)


def test_only_the_last_test_of_a_platform_counts(
    market: Market, provider: Company, requester: Company
) -> None:
    note_test(market, provider, passed=False)
    note_test(market, provider, passed=True)
    note_test(market, requester, passed=True)
    note_test(market, requester, passed=False)
    failed = seen(market).failed_tests
    assert (failed.count, [one.player.id for one in failed.first]) == (1, [requester.id])
    page = market.call(OPERATOR, overview.list_players, MarketPlayerFilter(), 9, None)
    last = {one.player.id: one.last_test and one.last_test.passed for one in page.items}
    assert (last[provider.id], last[requester.id]) == (True, False)


def test_companies_are_listed_by_name_state_or_newest_first(market: Market) -> None:
    names = ["beta", "Alpha", "gamma"]
    for name in names:
        market.company(name, state=MarketPlayerState.PENDING)

    def listed(sort: PlayerSort) -> list[str]:
        found, cursor = [], None
        wanted = MarketPlayerFilter(state=MarketPlayerState.PENDING)
        while True:
            page = market.call(OPERATOR, overview.list_players, wanted, 1, cursor, sort)
            found += [one.player.name for one in page.items]
            cursor = page.next_cursor
            if cursor is None:
                return found

    assert listed(PlayerSort.NAME) == ["Alpha", "beta", "gamma"]
    assert listed(PlayerSort.NEWEST) == ["gamma", "Alpha", "beta"]
    assert listed(PlayerSort.STATE) == ["gamma", "Alpha", "beta"]


def test_lanes_that_are_parked_or_paused_are_seen(market: Market, requester: Company) -> None:
    def lanes() -> None:
        common = {"consecutive_failures": 0, "breaker_state": "CLOSED", "mode": "RUNNING"}
        rows = [
            {**common, "name": "well"},
            {**common, "name": "parked", "breaker_state": "OPEN"},
            {**common, "name": "paused", "mode": "PAUSED"},
        ]
        current_session().execute(insert(OUTBOX.lane), rows)

    market.call(None, lanes)
    held = seen(market).held_lanes
    assert (held.count, [lane.name for lane in held.first]) == (2, ["parked", "paused"])


def test_dead_deliveries_are_counted_by_their_reasons(market: Market, made: UUID) -> None:
    market.all_heard(EventState.DEAD)

    def reason() -> None:
        values = {"dead_reason": "The platform answered 410."}
        current_session().execute(update(OUTBOX.event).values(values))

    market.call(None, reason)
    found = seen(market)
    assert found.dead_deliveries.count == len(found.dead_deliveries.first) == 2
    [why] = found.dead_reasons
    assert (why.reason, why.count) == ("The platform answered 410.", 2)


def test_what_waits_too_long_is_late(
    market: Market, made: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    moment = clock.now()
    for wait, count in ((LATE_AFTER - timedelta(seconds=5), 0), (LATE_AFTER * 2, 2)):
        monkeypatch.setattr("marketplace.monitoring.attention.now", lambda wait=wait: moment + wait)
        late = seen(market).late_deliveries
        assert (late.count, len(late.first), late.more) == (count, count, False)
    assert MOST_COUNTED == 1000


def test_statuses_that_are_overdue_are_seen(
    market: Market, made: UUID, monkeypatch: pytest.MonkeyPatch
) -> None:
    market.all_heard()
    later = clock.now() + DAY
    set_clock(monkeypatch, later)
    monkeypatch.setattr("marketplace.monitoring.attention.now", lambda: later)
    overdue = seen(market).overdue_statuses
    assert (overdue.count, [one.agreement.id for one in overdue.first]) == (1, [made])


def test_keys_about_to_end_are_seen_on_either_side(
    market: Market, provider: Company, requester: Company
) -> None:
    moment = clock.now()

    def keys() -> None:
        session = current_session()
        presented = session.get_one(PlatformKey, provider.id)
        presented.valid_until = moment + 3 * DAY
        failing = session.get_one(PlatformKey, requester.id)
        failing.failures = 2
        issued = (
            (provider, [3], None),  # ends soon
            (provider, [3, 80], None),  # was refreshed
            (requester, [300], None),  # has time
            (requester, [3], moment),  # was revoked
        )
        for company, ends, revoked in issued:
            credential = Credential(
                id=new_id(),
                market_player_id=company.id,
                kind=CredentialKind.API_KEY,
                label="platform",
                scope="provider",
                created_at=moment,
                revoked_at=revoked,
            )
            session.add(credential)
            session.flush()
            for days in ends:
                session.add(
                    ApiKey(
                        id=new_id(),
                        credential_id=credential.id,
                        key_hash=new_id().hex,
                        valid_from=moment,
                        expires_at=moment + days * DAY,
                        ends_at=moment + days * DAY,
                    )
                )

    market.call(None, keys)
    found = seen(market)
    presented = found.ending_platform_keys
    assert {(one.player.id, one.failures) for one in presented.first} == {
        (provider.id, 0),
        (requester.id, 2),
    }
    own = found.ending_api_keys
    assert (own.count, [(one.player.id, one.label) for one in own.first]) == (
        1,
        [(provider.id, "platform")],
    )


def test_deliveries_are_found_by_when_they_were_written(market: Market, made: UUID) -> None:
    middle = clock.now()
    market.call(OPERATOR, subscriptions.suspend_subscription, made, "Review.", None)

    def count(**period: Any) -> int:
        return len(
            market.call(OPERATOR, lambda: delivery.list_deliveries(limit=50, **period)).items
        )

    assert count() == 4
    assert count(since=middle + timedelta(hours=1)) == 0
    assert count(until=middle - timedelta(hours=1)) == 0
    assert count(since=middle - timedelta(hours=1), until=middle + timedelta(hours=1)) == 4
    assert first_id_of(middle).int < new_id().int


def test_what_an_attempt_sent_is_shown_without_its_secrets(
    market: Market, provider: Company, stranger: Company, made: UUID
) -> None:
    events = market.call(OPERATOR, lambda: delivery.list_deliveries(limit=9)).items
    event = next(one for one in events if one.lane == str(provider.id))
    attempt = Attempt(event.event_id, 1, clock.now(), 12, 200, None, "{}", EventState.DELIVERED)
    sent: SentRequest = market.call(provider, request_of, event.event_id, attempt)
    assert (sent.method, sent.url) == (
        "POST",
        "http://127.0.0.1:9/eu-mp/v1/service-offer/confirmed/provider",
    )
    assert sent.headers["webhook-id"] == str(event.event_id)
    assert sent.headers["X-API-Key"] == sent.headers["webhook-signature"] == HIDDEN
    assert sent.carried_secret
    assert "apiKey" not in sent.payload
    with pytest.raises(NotFound):
        market.call(stranger, request_of, event.event_id, attempt)
