"""Live streams: a page is told that something has changed, and nobody else is."""

from collections.abc import Iterator
from contextlib import ExitStack, closing, contextmanager
from uuid import UUID

import pytest
import requests

from marketplace.website.live.streams import MOST_FOR_A_PERSON
from tests.functional.website.browserless import HOSTILE, Visitor
from tests.functional.website.business import Business, Member

_PATIENCE_S = 60


@pytest.fixture
def request_id(business: Business, provider: Member, requester: Member) -> UUID:
    service_id = business.market.published(provider.company)
    return business.market.requested(requester.company, service_id)


@contextmanager
def stream(visitor: Visitor, topic: str) -> Iterator[requests.Response]:
    """Give the answer of a stream; `lines` has what it says."""
    answer = visitor.session.get(f"{visitor.site}/live/{topic}", stream=True, timeout=_PATIENCE_S)
    with closing(answer):
        yield answer


def lines(answer: requests.Response) -> Iterator[str]:
    """Return what a stream says, line by line, until it ends."""
    for line in answer.iter_lines(chunk_size=1):
        if line:
            yield line.decode()


def test_who_looks_at_a_request_is_told_of_its_offer(
    business: Business, provider: Member, requester: Member, request_id: UUID
) -> None:
    with stream(requester.visitor, f"request/{request_id}") as answer:
        assert answer.headers["Content-Type"].startswith("text/event-stream")
        said = lines(answer)
        assert next(said).startswith("retry:")
        business.market.offered(provider.company, request_id)
        assert next(said) == "event: changed"
        assert next(said).strip() == "data:"
    page = requester.visitor.go(f"/requests/{request_id}/progress?seen=1")
    assert "Something new has happened here." in page.text
    assert "Offer 1" in page.text


def test_who_looks_at_a_subscription_or_the_overview_is_told_of_a_suspension(
    business: Business, provider: Member, requester: Member
) -> None:
    market = business.market
    service_id = market.published(provider.company)
    held = market.subscribed(provider.company, requester.company, service_id)
    with (
        stream(requester.visitor, f"subscription/{held}") as one,
        stream(requester.visitor, "company") as other,
    ):
        said = [lines(one), lines(other)]
        assert [next(each)[:6] for each in said] == ["retry:", "retry:"]
        page = provider.visitor.go(f"/subscriptions/{held}")
        provider.visitor.press(page, "Suspend", {"reason": HOSTILE})
        assert [next(each) for each in said] == ["event: changed", "event: changed"]


def test_streams_of_others_are_not_there(
    business: Business, requester: Member, request_id: UUID
) -> None:
    stranger = business.member("Ponent Energia")
    with stream(stranger.visitor, f"request/{request_id}") as answer:
        assert answer.status_code == 404
    for topic in (f"subscription/{request_id}", "request/nonsense", "nothing", ""):
        with stream(requester.visitor, topic) as answer:
            assert answer.status_code == 404, topic
    with stream(requester.visitor, "board") as answer:
        assert answer.status_code == 403
    with stream(business.operator, "board") as answer:
        assert answer.status_code == 200


@pytest.mark.parametrize("cookie", [None, "nonsense", "e30.e30.e30"])
def test_nobody_gets_a_stream_without_signing_in(
    business: Business, request_id: UUID, cookie: str | None
) -> None:
    someone = Visitor(business.url)
    if cookie is not None:
        someone.session.cookies.set("flexagora", cookie)
    with stream(someone, f"request/{request_id}") as answer:
        assert answer.status_code == 401


def test_a_stream_ends_with_its_session(business: Business, request_id: UUID) -> None:
    someone = business.newcomer("Short Visit")
    with stream(someone, "company") as answer:
        said = lines(answer)
        assert next(said).startswith("retry:")
        cookies = someone.session.cookies.copy()
        page = someone.go("/overview")
        someone.press(page, "Sign out")
        assert not [line for line in said if line == "data: more"]  # it comes to an end
    someone.session.cookies.update(cookies)
    with stream(someone, "company") as answer:
        assert answer.status_code == 401


def test_a_person_has_so_many_streams_and_gets_pages_besides(business: Business) -> None:
    people = [business.newcomer(f"Company {letter}") for letter in "PQRS"]
    with ExitStack() as stack:
        for person in people:
            for _ in range(MOST_FOR_A_PERSON):
                answer = stack.enter_context(stream(person, "company"))
                assert answer.status_code == 200
            with stream(person, "company") as answer:
                assert answer.status_code == 429
        for person in people:
            assert person.go("/overview").status == 200
    for person in people:
        until_taken(person)


def until_taken(person: Visitor) -> None:
    """Open a stream, once the server has noticed that others were closed."""
    for _ in range(200):
        with stream(person, "company") as answer:
            if answer.status_code == 200:
                return
    raise AssertionError("Streams that were closed are counted for ever.")
