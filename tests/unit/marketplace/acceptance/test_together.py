"""Calls that are carried out together end as if they had come one after the other."""

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mpp_sdk.clock import now
from mpp_sdk.database import open_database
from mpp_sdk.ids import new_id
from tests.unit.marketplace.acceptance.world import Told, World, edge_of, one_by_one
from tests.unit.marketplace.market import Market, set_clock

_STATES = {
    "activation": ("REQUESTED", "ACTIVE", "SUSPENDED", "ENDED"),
    "consent": ("REQUESTED", "GRANTED", "DENIED", "WITHDRAWN", "EXPIRED", "TIMED_OUT"),
    "interim": ("OPERATIONAL", "DEGRADED", "UNAVAILABLE"),
}
_SENDERS = ("provider",) * 8 + ("requester", "stranger", "operator")
_NOW = now()
_EVENTS = [UUID(int=number) for number in range(1, 7)]


ODD = 'He said: "{a,b}", \\ %s :x $1 \n\t Zoë \U0001f600'
"""A text with everything that a statement's parameter could be broken by."""


@st.composite
def told(draw: st.DrawFn) -> dict[str, Any]:
    """Draw a notification, its event and its PoD among few, so that they meet."""
    kind = draw(st.sampled_from(("activation", "activation", "consent", "interim")))
    return {
        "kind": kind,
        "sender": draw(st.sampled_from(_SENDERS)),
        # Mostly the two that are ACTIVE.
        "subscription": draw(st.sampled_from((0, 0, 0, 1, 1, 2, 3, 4))),
        "state": draw(st.sampled_from(_STATES[kind])),
        "pod": draw(st.sampled_from("AB")),
        "minutes": draw(st.sampled_from((-9, -5, 0, 0, 0, 1, 2, 3, 60))),
        "event": draw(st.none() | st.sampled_from(_EVENTS)),
        "key": draw(st.none() | st.none() | st.sampled_from(("k1", "k2"))),
        "reason": draw(st.sampled_from([None, "Because.", ODD])),
        "period": draw(st.sampled_from((None, None, (-60, 60), (-60, -30), (5, 1)))),
    }


SEQUENCES = st.lists(st.lists(told(), min_size=1, max_size=8), min_size=1, max_size=4)


@pytest.fixture
def worlds(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[World, World]]:
    set_clock(monkeypatch, _NOW)
    engine = open_database(database_url)
    market = Market.on(engine, tmp_path)
    companies = {name: market.company(name) for name in ("provider", "requester", "stranger")}
    yield World(market, companies), World(market, companies)
    engine.dispose()


@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)
@given(drawn=SEQUENCES)
def test_a_group_ends_as_its_calls_one_by_one(
    worlds: tuple[World, World], drawn: list[list[dict[str, Any]]]
) -> None:
    alone, together = worlds
    edge = edge_of(alone.market)
    round_ = new_id().hex[:12]  # the rows of earlier examples stay, under other PoDs
    number = 0
    for group in drawn:
        calls = []
        for one in group:
            number += 1
            calls.append(_told(one, round_, number))
        singly = one_by_one(edge, [alone.waiting(call) for call in calls])
        grouped = edge.carry_out([together.waiting(call) for call in calls])
        assert [together.answer(each) for each in grouped] == [
            alone.answer(each) for each in singly
        ]
    assert together.rows() == alone.rows()


def _told(drawn: dict[str, Any], round_: str, number: int) -> Told:
    event_id = drawn["event"] or new_id()
    body: dict[str, Any] = {
        "eventId": str(UUID(int=event_id.int ^ UUID(hex=round_.ljust(32, "0")).int)),
        "occurredAt": (_NOW + timedelta(minutes=drawn["minutes"])).isoformat(),
    }
    if drawn["kind"] == "interim":
        body |= {"status": drawn["state"]}
    else:
        body |= {"state": drawn["state"], "podId": f"{drawn['pod']}-{round_}"}
        if drawn["reason"]:
            body["reason"] = drawn["reason"]
    if drawn["kind"] == "consent" and drawn["period"]:
        start, end = (_NOW + timedelta(minutes=minutes) for minutes in drawn["period"])
        body["validity"] = {"start": start.isoformat(), "end": end.isoformat()}
    key = drawn["key"] and f"{drawn['key']}-{round_}"
    return Told(drawn["kind"], drawn["sender"], drawn["subscription"], body, key, number)
