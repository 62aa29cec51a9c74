"""What operators see and decide on their pages, and that nobody else does."""

import csv
import io
import re
from collections.abc import Iterator
from datetime import timedelta

import pytest

from marketplace.core.unit_of_work import current_session
from marketplace.identity import service as identity
from marketplace.identity.domain import MarketPlayerState
from marketplace.identity.service import PlatformStatement
from marketplace.identity.tables import IntegrationTest
from marketplace.monitoring import over_time
from marketplace.recovery.domain import FindingKind, FindingOutcome
from marketplace.recovery.tables import Finding, Resynchronisation
from mpp_sdk.clock import now
from mpp_sdk.ids import new_id
from tests.functional.website.browserless import HOSTILE, Page, Visitor, filled, sign_in, sign_up
from tests.functional.website.running import Running, running
from tests.unit.marketplace.market import Company


@pytest.fixture(scope="module")
def at_work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    with running(tmp_path_factory.mktemp("operators")) as started:
        yield started


def path_of(company: Company) -> str:
    return f"/operators/companies/{company.id}"


def rows(visitor: Visitor, path: str) -> list[dict[str, str]]:
    """Return the rows of a list that is asked for as CSV."""
    response = visitor.session.get(visitor.site + path)
    assert response.headers["Content-Type"].startswith("text/csv"), response.text
    return list(csv.DictReader(io.StringIO(response.text)))


def token(page: Page) -> list[tuple[str, str]]:
    """Return what every form of a page holds besides what is entered."""
    found = page.tree.xpath('//input[@name="csrf_token"]/@value')
    return [("csrf_token", str(found[0])), ("once", str(new_id()))]


def test_the_board_says_that_all_is_clear_until_somebody_waits(at_work: Running) -> None:
    operator = at_work.operator
    for path in ("/operators/board", "/operators/board/cards"):
        assert "All clear" in operator.session.get(at_work.url + path).text
    waiting = at_work.market.company("Waits", platform=False, state=MarketPlayerState.PENDING)
    board = operator.go("/operators/board")
    assert "1 Companies that wait for approval" in board.words
    page = operator.follow(board, "Waits")
    assert page.path == path_of(waiting)
    approved = operator.press(page, "Approve", {"reason": f"Licence seen. {HOSTILE}"})
    assert "Waits is ACTIVE now." in approved.notices
    assert HOSTILE in approved.words
    assert HOSTILE not in approved.text
    assert "All clear" in operator.go("/operators/board").words


def test_the_board_shows_each_kind_of_trouble(at_work: Running) -> None:
    operator, market = at_work.operator, at_work.market
    failing = market.company("Fails Its Test")  # nobody answers at its address
    page = operator.press(operator.go(path_of(failing)), "Test integration")
    assert "failed the test" in page.notices[0]
    assert "FAILED" in page.words
    paused = operator.press(operator.go(path_of(failing)), "Pause", {"reason": "They asked."})
    assert "PAUSED" in paused.words
    words = operator.go("/operators/board").words
    assert "1 Platforms that fail their test" in words
    assert "1 Platforms parked or paused" in words
    listed = rows(operator, "/operators/companies?test=FAILED&format=csv")
    assert [row["name"] for row in listed] == ["Fails Its Test"]
    operator.press(operator.go(path_of(failing)), "Resume", {"reason": "They asked again."})
    assert "parked or paused" not in operator.go("/operators/board").words


def test_a_company_is_suspended_reinstated_and_deregistered_with_reasons(at_work: Running) -> None:
    operator = at_work.operator
    company = at_work.company("Decided About")
    page = operator.go(path_of(company))
    refused = operator.press(page, "Suspend", {"reason": " "})
    assert refused.status == 400
    assert "reason" in refused.notices[0]
    too_long = operator.press(page, "Suspend", {"reason": "x" * 1001})
    assert too_long.status == 400
    suspended = operator.press(page, "Suspend", {"reason": "It did not pay."})
    assert "SUSPENDED" in suspended.words
    assert "It did not pay." in suspended.words
    stale = operator.press(page, "Deregister", {"reason": "From an old page."})
    assert stale.status == 412
    assert "Reinstate" in stale.words
    back = operator.press(suspended, "Reinstate", {"reason": "It paid."})
    gone = operator.press(back, "Deregister", {"reason": "It left."})
    assert "DEREGISTERED" in gone.words
    assert "Suspend" not in [button.text for button in gone.tree.xpath("//button")]
    trail = rows(operator, f"/audit-trail?kind=MarketPlayer&entity={company.id}&format=csv")
    assert [row["action"] for row in trail][:3] == ["deregister", "reinstate", "suspend"]
    assert {row["actor"] for row in trail[:3]} == {"Olivia Meyer"}


def test_a_decision_is_made_once_however_often_the_button_is_pressed(at_work: Running) -> None:
    company = at_work.company("Pressed Twice")
    page = at_work.operator.go(path_of(company))
    url, data = filled(page, "Suspend", {"reason": "Twice."})
    answers = [at_work.operator.post(url, data) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 200]
    trail = rows(at_work.operator, f"/audit-trail?entity={company.id}&action=suspend&format=csv")
    assert len(trail) == 1


def test_how_fast_a_platform_is_called_is_limited(at_work: Running) -> None:
    operator = at_work.operator
    company = at_work.company("Slow One")
    page, older = operator.go(path_of(company)), operator.go(path_of(company))
    given = {"maxConcurrency": "2", "maxPerSecond": "0.5", "reason": "It is small."}
    limited = operator.press(page, "Set limits", given)
    assert "Calls at once, at most2" in limited.words
    assert "Calls a second, at most0.5" in limited.words
    assert operator.press(older, "Set limits", given).status == 412
    for name, wrong in (("maxConcurrency", "0"), ("maxConcurrency", "x"), ("maxPerSecond", "-1")):
        refused = operator.press(limited, "Set limits", {**given, name: wrong})
        assert refused.status == 400
        assert refused.wrong(name)
        assert refused.value(name) == wrong


def test_companies_are_listed_filtered_and_sorted(at_work: Running) -> None:
    operator = at_work.operator
    for name in ("Sorted A", "Sorted B"):
        at_work.market.company(name, platform=False)

    def names(query: str) -> list[str]:
        return [row["name"] for row in rows(operator, f"/operators/companies?format=csv&{query}")]

    assert names("q=sorted") == ["Sorted B", "Sorted A"]  # the newest first
    assert names("q=sorted&sort=name") == ["Sorted A", "Sorted B"]
    assert names("q=sorted&state=PENDING") == []
    assert names("q=sorted&role=TSO") == []
    assert "No companies" in operator.go("/operators/companies?q=nobody").words
    for query in ("state=LOST", "role=KING", "sort=size", "test=MAYBE", f"q={'x' * 201}"):
        refused = operator.go(f"/operators/companies?{query}")
        assert refused.status == 400
        assert query.partition("=")[0] in refused.words


def test_companies_are_found_by_how_their_last_test_ended(at_work: Running) -> None:
    market = at_work.market
    tested = {name: market.company(name, platform=False) for name in ("Tested A", "Tested B")}
    market.company("Tested Never", platform=False)
    with market.working(None):
        for name, passed in (("A", True), ("A", False), ("B", False), ("B", True)):
            test = IntegrationTest(
                id=new_id(),
                market_player_id=tested[f"Tested {name}"].id,
                passed=passed,
                started_at=now(),
                steps=[],
            )
            current_session().add(test)

    def found(outcome: str) -> list[tuple[str, str]]:
        listed = rows(at_work.operator, f"/operators/companies?q=tested&test={outcome}&format=csv")
        return [(row["name"], row["lastTest"]) for row in listed]

    assert found("FAILED") == [("Tested A", "FAILED")]
    assert found("PASSED") == [("Tested B", "PASSED")]
    assert sorted(found("")) == [
        ("Tested A", "FAILED"),
        ("Tested B", "PASSED"),
        ("Tested Never", ""),
    ]


def test_what_companies_say_of_themselves_is_text_on_every_page(at_work: Running) -> None:
    operator = at_work.operator
    hostile = at_work.market.company(HOSTILE, platform=False, state=MarketPlayerState.PENDING)
    for path in (
        "/operators/board",
        "/operators/companies",
        path_of(hostile),
        "/audit-trail",
        f"/audit-trail?company={hostile.id}",
    ):
        page = operator.go(path)
        assert page.status == 200
        assert HOSTILE not in page.text, path
    assert operator.go(path_of(hostile)).title.startswith(HOSTILE)
    operator.press(operator.go(path_of(hostile)), "Approve", {"reason": "A name is a name."})


def test_secrets_are_on_no_page(at_work: Running) -> None:
    company = at_work.company("Keeps Secrets")
    statement = PlatformStatement(at_work.platforms.url, "another-secret-key-of-a-platform", True)
    at_work.market.call(company, identity.set_platform, company.id, statement, "*")
    text = at_work.operator.go(path_of(company)).text
    assert "another-secret-key" not in text
    assert not re.search(r"whsec_|fxs_|fxk_", text)


def test_the_audit_trail_is_narrowed_down_and_a_company_sees_its_own(at_work: Running) -> None:
    operator = at_work.operator
    provider, requester, subscription_id = at_work.subscription("Trail")
    own = {row["marketPlayerId"] for row in rows(operator, trail(f"company={provider.id}"))}
    assert str(provider.id) in own
    assert str(requester.id) not in own
    of_it = rows(operator, trail(f"subscription={subscription_id}&kind=Subscription"))
    assert [row["action"] for row in of_it][-1] == "confirm"
    suspended = operator.press(
        operator.go(path_of(provider)), "Suspend", {"reason": "For the trail."}
    )
    assert "For the trail." in suspended.words
    by = operator.go(f"/audit-trail?entity={provider.id}&action=suspend")
    mine = operator.follow(by, "Olivia Meyer")
    assert "For the trail." in mine.words
    tomorrow = (now() + timedelta(days=1)).strftime("%Y-%m-%dT%H:%M")
    assert rows(operator, trail(f"since={tomorrow}")) == []
    assert rows(operator, trail(f"until={tomorrow}"))
    for query in ("kind=Nothing", "subscription=x", "since=yesterday", f"actor={'x' * 201}"):
        refused = operator.go(f"/audit-trail?{query}")
        assert refused.status == 400
        assert query.partition("=")[0] in refused.words
    someone = sign_up(at_work.url, "Sees Its Own", "own@sees.example")
    seen = rows(someone, "/audit-trail?format=csv")
    mine_id = str(at_work.place.company("Sees Its Own"))
    assert {row["marketPlayerId"] for row in seen} == {mine_id}
    assert rows(someone, trail(f"company={provider.id}")) == []
    assert rows(someone, trail(f"subscription={subscription_id}")) == []


def trail(query: str) -> str:
    return f"/audit-trail?format=csv&{query}"


def test_operators_are_invited_and_removed(at_work: Running) -> None:
    operator = at_work.operator
    page = operator.go("/operators/people")
    refused = operator.press(page, "Send the invitation", {"name": "Otto", "email": "no address"})
    assert refused.status == 400
    assert refused.wrong("email")
    assert refused.value("name") == "Otto"
    given = {"name": HOSTILE, "email": "otto@market.example"}
    url, data = filled(page, "Send the invitation", given)
    operator.post(url, data)
    invited = operator.post(url, data)  # the button pressed twice
    assert HOSTILE not in invited.text
    assert invited.words.count("otto@market.example") == 1
    taken_back = operator.press(invited, "Take back")
    assert "otto@market.example" not in taken_back.words
    other = at_work.invited_operator("otto@market.example", "Otto Brandt")
    assert other.go("/operators/board").status == 200
    removed = operator.press(operator.go("/operators/people"), "Remove Otto Brandt")
    assert "Otto Brandt has no access any more." in removed.notices
    assert other.go("/operators/board").path == "/sign-in"


def test_people_of_companies_are_not_removed_here(at_work: Running) -> None:
    sign_up(at_work.url, "Stays Here", "ana@stays.example")
    listed = at_work.operator.go(f"/operators/companies/{at_work.place.company('Stays Here')}")
    assert "ana@stays.example" in listed.words
    page = at_work.operator.go("/operators/people")
    assert "ana@stays.example" not in page.words
    gone = at_work.operator.post(f"/operators/people/{new_id()}/remove", token(page))
    assert gone.status == 404
    assert sign_in(at_work.url, "ana@stays.example").go("/overview").status == 200


def test_numbers_are_shown_for_each_range(at_work: Running) -> None:
    operator = at_work.operator
    at_work.eventually("/operators/numbers", "Notifications of platforms")
    at_work.market.call(None, over_time.count_due)
    for chosen, title in (("24h", "an hour"), ("7d", "an hour"), ("30d", "a day")):
        page = operator.go(f"/operators/numbers?range={chosen}")
        assert f"Deliveries {title}" in page.words
        assert page.tree.xpath("//section//table//td/@data-value")
        for title in ("Subscriptions by state", "Versions of services", "Companies by state"):
            assert title in page.words
    refused = operator.go("/operators/numbers?range=1y")
    assert refused.status == 400
    assert "range" in refused.words


def test_only_operators_see_what_is_for_operators(at_work: Running) -> None:
    company = at_work.company("Watched")
    someone = sign_up(at_work.url, "Not An Operator", "eve@company.example")
    mine = token(someone.go("/audit-trail"))
    seen = (
        "/operators/board",
        "/operators/board/cards",
        "/operators/board/overdue-statuses",
        "/operators/board/resynchronisations",
        f"/operators/board/resynchronisations/{new_id()}",
        "/operators/companies",
        path_of(company),
        "/operators/numbers",
        "/operators/people",
    )
    done = (
        *(f"{path_of(company)}/{it}" for it in ("activate", "suspend", "reinstate", "deregister")),
        *(f"{path_of(company)}/lane/{it}" for it in ("pause", "drain", "resume", "limits")),
        "/operators/people/invitations",
        f"/operators/people/invitations/{new_id()}/withdraw",
        f"/operators/people/{new_id()}/remove",
    )
    for path in seen:
        assert someone.go(path).status == 403, path
        assert Visitor(at_work.url).go(path).path == "/sign-in", path
    for path in done:
        assert someone.post(path, [*mine, ("reason", "Mine.")]).status == 403, path
        assert at_work.operator.post(path, [("reason", "No token.")]).status == 400, path
    assert someone.post(f"{path_of(company)}/test", mine).status == 404  # as if it did not exist


def test_what_does_not_exist_is_not_found(at_work: Running) -> None:
    operator = at_work.operator
    nothing = new_id()
    for path in (
        f"/operators/companies/{nothing}",
        f"/deliveries/{nothing}",
        f"/replays/{nothing}",
        f"/operators/board/resynchronisations/{nothing}",
        "/operators/companies/1",
    ):
        assert operator.go(path).status == 404, path


def test_what_a_resynchronisation_found_waits_on_the_board(at_work: Running) -> None:
    company = at_work.market.company("Was Restored", platform=False)
    run = Resynchronisation(id=new_id(), since=now(), started_at=now(), finished_at=now())
    with at_work.market.working(None):
        current_session().add(run)
        current_session().flush()
        for outcome in (FindingOutcome.OPEN, FindingOutcome.NOTED):
            found = Finding(
                id=new_id(),
                resynchronisation_id=run.id,
                kind=FindingKind.STATE_CONFLICT,
                outcome=outcome,
                market_player_id=company.id,
                detail=f"It is {outcome.value}. {HOSTILE}",
                advice="Ask both companies.",
                found_at=now(),
            )
            current_session().add(found)
        run_id = run.id
    operator = at_work.operator
    board = operator.go("/operators/board")
    assert "1 Open findings of the last re-synchronisation" in board.words
    page = operator.go(f"/operators/board/resynchronisations/{run_id}?outcome=OPEN")
    assert "Ask both companies." in page.words
    assert "Was Restored" in page.words
    assert "It is NOTED." not in page.words
    assert HOSTILE not in page.text
    listed = rows(operator, f"/operators/board/resynchronisations/{run_id}?format=csv")
    assert {row["outcome"] for row in listed} == {"OPEN", "NOTED"}
    assert "Open findings" in operator.go("/operators/board/resynchronisations").words
