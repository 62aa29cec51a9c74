"""What operators do about deliveries, on pages: find them, read them, send them again."""

import csv
import io
from collections.abc import Iterator
from pathlib import Path
from uuid import UUID

import pytest

from mpp_sdk.ids import new_id
from tests.functional.website.browserless import HOSTILE, Visitor, filled, sign_up
from tests.functional.website.running import Running, running

DEAD_LETTERS = "The platform answered 410."


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("operators")) as started:
        yield started


def rows(visitor: Visitor, path: str) -> list[dict[str, str]]:
    """Return the rows of a list that is asked for as CSV."""
    response = visitor.session.get(visitor.site + path)
    assert response.headers["Content-Type"].startswith("text/csv"), response.text
    return list(csv.DictReader(io.StringIO(response.text)))


def test_an_operator_finds_a_dead_delivery_reads_it_replays_it_and_sees_it_arrive(
    database_url: str, tmp_path: Path
) -> None:
    with running(tmp_path, database_url) as at_work:
        provider, event_id = at_work.dead_delivery()
        operator = at_work.operator
        board = operator.go("/operators/board")
        assert "2 Dead deliveries" in board.words
        found = operator.follow(board, DEAD_LETTERS)
        assert provider.name in found.words
        page = operator.go(f"/deliveries/{event_id}")
        assert "answered 410" in page.words
        assert f'"eventId": "{event_id}"' in page.words
        assert "service-offer/confirmed/provider" in page.words
        assert "a-key-of-20-characters" not in page.text
        again = operator.press(page, "Replay", {"reason": "The platform is back."})
        assert any("queued again" in one for one in again.notices)
        shown = at_work.delivered(event_id)
        assert "Attempt 2" in shown.words
        assert "answered 204" in shown.words
        assert "1 Dead deliveries" in operator.go("/operators/board").words
        trail = operator.go(f"/audit-trail?kind=Delivery&entity={event_id}&action=replay").words
        assert "The platform is back." in trail
        assert "Olivia Meyer" in trail


def test_a_replay_needs_a_reason_and_a_dead_delivery(at_work: Running) -> None:
    _, event_id = at_work.dead_delivery("Reasons")
    operator = at_work.operator
    page = operator.go(f"/deliveries/{event_id}")
    refused = operator.press(page, "Replay", {"reason": "  "})
    assert refused.status == 400
    assert "reason" in refused.notices[0]
    url, data = filled(page, "Replay", {"reason": "Once."})
    first, second = operator.post(url, data), operator.post(url, data)
    assert first.status == second.status == 200  # the same answer for the same button
    at_work.delivered(event_id)
    late = operator.post(url, [*((k, v) for k, v in data if k != "once"), ("once", str(new_id()))])
    assert late.status == 409
    assert "DELIVERED" in late.words
    replays = [
        one
        for one in rows(operator, f"/audit-trail?entity={event_id}&format=csv")
        if one["action"] == "replay"
    ]
    assert len(replays) == 1


def test_a_delivery_that_waits_is_discarded(at_work: Running) -> None:
    at_work.platforms.status = 503
    _, _, subscription_id = at_work.subscription("Waiting")
    path = f"/deliveries?subscription={subscription_id}&state=RETRYING"
    page = at_work.eventually(path, "RETRYING", count=2 + 1)  # the filter says it once, too
    [first, *_] = page.tree.xpath('//tbody//th/a[contains(@href, "/deliveries/")]/@href')
    waiting = at_work.operator.go(first)
    assert "answered 503" in waiting.words
    given_up = at_work.operator.press(waiting, "Discard", {"reason": f"No use. {HOSTILE}"})
    assert "DEAD" in given_up.words
    assert HOSTILE in given_up.words  # as a text
    assert HOSTILE not in given_up.text
    at_work.platforms.status = 204


def test_deliveries_are_narrowed_down_by_the_filters(at_work: Running) -> None:
    provider, event_id = at_work.dead_delivery("Filters")
    operator = at_work.operator
    one = str(event_id)

    def ids(query: str) -> list[str]:
        return [row["eventId"] for row in rows(operator, f"/deliveries?format=csv&{query}")]

    assert ids(f"company={provider.id}") == [one]
    assert ids("company=Filters Provider") == [one]
    assert ids(f"company={provider.id}&state=DEAD&reason=410") == [one]
    assert ids(f"company={provider.id}&state=QUEUED") == []
    assert ids(f"company={provider.id}&kind=service-offer.canceled") == []
    assert ids(f"subscription={new_id()}") == []
    several = operator.go("/deliveries?company=Filters")
    assert "Several companies" in several.words
    chosen = operator.follow(several, provider.name)
    assert "Only what concerns Filters Provider" in chosen.words
    assert "No company has this" in operator.go("/deliveries?company=nobody").words
    for query in ("state=LOST", "kind=nothing", "subscription=1", f"reason={'x' * 201}"):
        refused = operator.go(f"/deliveries?{query}")
        assert refused.status == 400
        assert query.partition("=")[0] in refused.words


def test_many_are_counted_before_they_are_replayed(at_work: Running) -> None:
    provider, event_id = at_work.dead_delivery("Many")
    operator = at_work.operator
    reasons = operator.go("/dead-deliveries?company=Many Provider")
    assert DEAD_LETTERS in reasons.words
    page = operator.follow(reasons, "Replay them")
    assert "1 delivery would be sent again" in page.words
    refused = operator.press(page, "Replay them", {"reason": ""})
    assert refused.status == 400
    assert refused.wrong("reason")
    assert "1 delivery would be sent again" in refused.words  # what was chosen is kept
    url, data = filled(refused, "Replay them", {"reason": f"It is back. {HOSTILE}"})
    first, second = operator.post(url, data), operator.post(url, data)
    assert first.path == second.path
    assert HOSTILE in first.words
    assert HOSTILE not in first.text
    at_work.delivered(event_id)
    done = at_work.eventually(first.path, "DONE")
    assert "Sent again1" in done.words
    listed = rows(operator, "/replays?format=csv")
    assert [row["replayed"] for row in listed if row["marketPlayerId"] == str(provider.id)] == ["1"]
    over = operator.post(f"{first.path}/cancel", [("csrf_token", token(done)), ("reason", "Late.")])
    assert over.status == 409


def test_what_a_replay_cannot_mean_is_said_beside_the_choice(at_work: Running) -> None:
    operator = at_work.operator
    page = operator.go("/replays/new?state=DELIVERED")
    assert page.status == 200
    assert "Say since when" in page.notices[0]
    backwards = "state=DELIVERED&since=2026-01-02T00:00&until=2026-01-01T00:00"
    assert "not after its start" in operator.go(f"/replays/new?{backwards}").notices[0]
    nothing = operator.go(f"/replays/new?state=DEAD&subscription={new_id()}")
    assert "There is nothing to send again" in nothing.words
    for query in ("since=soon", "since=0001-01-01T00:00%2B14:00"):
        assert "no date and time" in operator.go(f"/replays/new?{query}").notices[0]
    assert "one of DEAD, DELIVERED" in operator.go("/replays/new?state=QUEUED").notices[0]


def test_a_company_sees_what_goes_to_its_own_platform_alone(at_work: Running) -> None:
    _, event_id = at_work.dead_delivery("Foreign")
    begun = at_work.operator.press(
        at_work.operator.go("/replays/new?company=Foreign Provider"),
        "Replay them",
        {"reason": "Again."},
    )
    someone = sign_up(at_work.url, "Curious Company", "eve@curious.example")
    assert "No deliveries" in someone.go("/deliveries").words
    assert rows(someone, "/deliveries?format=csv") == []
    for path in (
        f"/deliveries/{event_id}",
        f"/deliveries/{event_id}/standing",
        begun.path,
        f"{begun.path}/progress",
    ):
        assert someone.go(path).status == 404, path
    csrf = token(someone.go("/deliveries"))
    sent = [("csrf_token", csrf), ("reason", "Mine?")]
    assert someone.post(f"/deliveries/{event_id}/replay", sent).status == 403
    assert someone.post(f"/deliveries/{event_id}/discard", sent).status == 403
    assert someone.post(f"{begun.path}/cancel", sent).status == 404
    foreign = someone.post(f"/replays/new?company={provider_of(at_work, event_id)}", sent)
    assert foreign.status == 403


def test_nothing_is_done_without_the_token_of_the_form(at_work: Running) -> None:
    _, event_id = at_work.dead_delivery("Tokens")
    for path in (f"/deliveries/{event_id}/replay", "/replays/new"):
        refused = at_work.operator.post(path, [("reason", "Forged.")])
        assert refused.status == 400
        assert "expired" in refused.words
    assert "DEAD" in at_work.operator.go(f"/deliveries/{event_id}").words


def token(page: object) -> str:
    """Return the token that the forms of a page carry."""
    found = page.tree.xpath('//input[@name="csrf_token"]/@value')  # type: ignore[attr-defined]
    return str(found[0])


def provider_of(at_work: Running, event_id: UUID) -> str:
    """Return the id of the company that a delivery goes to."""
    listed = rows(at_work.operator, "/deliveries?format=csv")
    [owner] = [row["marketPlayerId"] for row in listed if row["eventId"] == str(event_id)]
    return owner
