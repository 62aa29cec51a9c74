"""Subscriptions on pages: how they stand, what is missing, their points of delivery, their end."""

from uuid import UUID

import pytest

from marketplace.accounts.domain import PersonRole
from marketplace.delivery.domain import PlatformRole
from marketplace.monitoring import service as monitoring
from marketplace.monitoring.domain import ServiceStatus
from marketplace.monitoring.service import StatusReport
from marketplace.subscriptions.domain import SubscriptionState
from marketplace.website.subscriptions import pod_lists
from mpp_sdk import clock
from mpp_sdk.ids import new_id
from tests.functional.website.browserless import HOSTILE, Page, Visitor, filled
from tests.functional.website.business import Business, Member


@pytest.fixture
def service_id(business: Business, provider: Member) -> UUID:
    return business.market.published(provider.company, name="Hourly readings")


@pytest.fixture
def held(business: Business, provider: Member, requester: Member, service_id: UUID) -> UUID:
    return business.market.subscribed(provider.company, requester.company, service_id)


def path_of(subscription_id: UUID) -> str:
    return f"/subscriptions/{subscription_id}"


def adding(subscription_id: UUID) -> str:
    return f"/subscriptions/{subscription_id}/points-of-delivery/new"


def report(business: Business, provider: Member, subscription_id: UUID, detail: str) -> None:
    given = StatusReport(new_id(), clock.now(), subscription_id, ServiceStatus.DEGRADED, 1, detail)
    business.market.call(provider.company, monitoring.report, given)


def upload(visitor: Visitor, subscription_id: UUID, content: bytes, pasted: str = "") -> Page:
    """Return what choosing a file and pressing the button leads to."""
    url, data = filled(visitor.go(adding(subscription_id)), "Add", {"podIds": pasted})
    fields = [(name, value) for name, value in data if name != "file"]
    return Page(
        visitor.session.post(
            url,
            data=fields,
            files={"file": ("pods.csv", content, "text/csv")},
            headers={"Accept": "text/html"},
            timeout=60,
        )
    )


def pods_of(visitor: Visitor, subscription_id: UUID, query: str = "") -> list[str]:
    page = visitor.go(f"{path_of(subscription_id)}/points-of-delivery{query}")
    return [str(text) for text in page.tree.xpath("//tbody//th//code/text()")]


def test_what_is_missing_is_said_until_nothing_is(
    business: Business, provider: Member, requester: Member, service_id: UUID
) -> None:
    market, buyer = business.market, requester.visitor
    held = market.pending(provider.company, requester.company, service_id)
    page = buyer.go(path_of(held))
    assert "PENDING" in page.words
    assert "Your platform has not answered." in page.words
    assert "Crevillent Distribution's platform has not acknowledged yet." in page.words
    assert buyer.follow(page, "See the attempts").status == 200
    for role in PlatformRole:
        market.acknowledge(held, role)
    market.all_heard()
    assert "There are no points of delivery." in buyer.go(path_of(held)).words
    buyer.press(buyer.go(adding(held)), "Add", {"podIds": "A\nB"})
    market.all_heard()
    assert "2 points of delivery wait for the provider." in buyer.go(path_of(held)).words
    for pod in ("A", "B"):
        market.consent(provider.company, held, "REQUESTED", pod=pod)
    assert "2 customers have not answered." in buyer.go(path_of(held)).words
    market.consent(provider.company, held, "GRANTED", pod="A")
    market.activation(provider.company, held, "ACTIVE", pod="A")
    market.consent(provider.company, held, "DENIED", pod="B")
    page = buyer.go(path_of(held))
    assert "1 point of delivery has no consent." in page.words
    assert "1 of 2 active" in page.words
    assert pods_of(buyer, held, "?consent=DENIED") == ["B"]
    market.consent(provider.company, held, "REQUESTED", pod="B")
    market.consent(provider.company, held, "GRANTED", pod="B")
    market.activation(provider.company, held, "ACTIVE", pod="B")
    assert "Nothing. Everything is in place" in buyer.go(path_of(held)).words


def test_the_timeline_has_what_happened_and_can_leave_points_of_delivery_out(
    business: Business, provider: Member, requester: Member, held: UUID
) -> None:
    buyer = requester.visitor
    buyer.press(buyer.go(adding(held)), "Add", {"podIds": "\n".join(f"P{n}" for n in range(9))})
    report(business, provider, held, "A meter reader is late.")
    page = buyer.go(path_of(held))
    assert "Both platforms have the details" in page.words
    assert "A meter reader is late." in page.words
    assert "Points of delivery added \u00d7 9" in page.words
    assert "and 4 more" in page.words
    without = buyer.go(f"{path_of(held)}?pods=no")
    assert "Points of delivery added" not in without.words
    assert "Both platforms have the details" in without.words
    statuses = buyer.follow(page, "all statuses")
    assert "DEGRADED" in statuses.words
    csv = buyer.go(f"{path_of(held)}/statuses?format=csv")
    assert "A meter reader is late." in csv.text


def test_points_of_delivery_are_pasted(requester: Member, held: UUID) -> None:
    buyer = requester.visitor
    url, data = filled(buyer.go(adding(held)), "Add", {"podIds": " A \r\nB\n\n"})
    added = buyer.post(url, data)
    assert "2 points of delivery are added." in added.notices[0]
    assert pods_of(buyer, held) == ["A", "B"]
    assert buyer.post(url, data).path == added.path
    more = buyer.press(buyer.go(adding(held)), "Add", {"podIds": "B\nC"})
    assert [words[:9] for words in more.notices] == ["1 point o", "1 was the"]
    assert pods_of(buyer, held) == ["A", "B", "C"]
    assert buyer.go(f"{path_of(held)}/points-of-delivery?format=csv").text.count("\n") == 4


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"podId\nA\nB\n", ["A", "B"]),
        (b"name;PODID\r\nx;A\r\ny;B\r\n", ["A", "B"]),
        (b"\xef\xbb\xbfA,x\nB,y", ["A", "B"]),
        (b'"A"\t1\n"B"\t2\n', ["A", "B"]),
    ],
    ids=["with a heading", "in another column", "in the first column", "with tabs"],
)
def test_points_of_delivery_are_uploaded(
    requester: Member, held: UUID, content: bytes, expected: list[str]
) -> None:
    page = upload(requester.visitor, held, content)
    assert page.status == 200, page.words
    assert pods_of(requester.visitor, held) == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A\nB\nA", "Line 3: A is there in line 1 already."),
        ("A\n\nB", "Line 2 is blank."),
        ("A\nno good", "Line 2: no good is no id"),
        ("A\n=1+1", "Line 2: =1+1 is no id"),
        ("x" * 61, "Line 1"),
        ("  \n", "State at least one point of delivery."),
        ("\n".join(str(n) for n in range(pod_lists.MOST + 1)), "At most 10000 at once"),
        ("\n".join("?" * 30), "10 more lines."),
        (HOSTILE, HOSTILE),
    ],
    ids=["twice", "blank", "wrong", "formula", "long", "none", "many", "much wrong", "hostile"],
)
def test_wrong_lines_are_named_and_nothing_is_added(
    requester: Member, held: UUID, text: str, said: str
) -> None:
    buyer = requester.visitor
    refused = buyer.press(buyer.go(adding(held)), "Add", {"podIds": text})
    assert refused.status == 400
    assert said in refused.wrong("podIds")
    assert refused.value("podIds").strip() == text.strip()
    uploaded = upload(buyer, held, text.encode())
    assert uploaded.status == 400
    assert uploaded.wrong("file")
    assert pods_of(buyer, held) == []


@pytest.mark.parametrize(
    ("content", "said"),
    [(b"\xff\xfe\x00A", "UTF-8"), (b"\x89PNG\r\n\x1a\n", "UTF-8"), (b'"A\r', "Line 1")],
    ids=["UTF-16", "a picture", "an open quote"],
)
def test_files_that_are_no_csv_are_refused(
    requester: Member, held: UUID, content: bytes, said: str
) -> None:
    refused = upload(requester.visitor, held, content)
    assert refused.status == 400
    assert said in refused.wrong("file")


def test_a_file_and_a_paste_at_once_are_refused(requester: Member, held: UUID) -> None:
    refused = upload(requester.visitor, held, b"A", pasted="B")
    assert "one of the two" in refused.wrong("file")
    assert pods_of(requester.visitor, held) == []


def test_an_upload_that_is_too_large_is_refused(requester: Member, held: UUID) -> None:
    assert upload(requester.visitor, held, b"A" * 3_000_000).status == 413


def test_as_many_as_are_promised_are_taken_at_once(requester: Member, held: UUID) -> None:
    pods = "\n".join(f"POD{n:05}" for n in range(pod_lists.MOST))
    added = upload(requester.visitor, held, pods.encode())
    assert added.status == 200, added.words
    assert "10000 points of delivery are added." in added.notices[0].replace(",", "")
    page = requester.visitor.go(f"{path_of(held)}/points-of-delivery")
    assert len(page.tree.xpath("//tbody/tr")) == 50
    later = requester.visitor.follow(page, "Next page")
    assert later.tree.xpath("//tbody//code/text()")[0] == "POD00050"


def test_canceling_asks_once_more_and_for_a_reason(
    business: Business, provider: Member, requester: Member, held: UUID
) -> None:
    buyer = requester.visitor
    asked = buyer.follow(buyer.go(path_of(held)), "Cancel the subscription")
    assert asked.title == "Cancel the subscription?"
    for reason in (" ", "x" * 1001):
        assert buyer.press(asked, "Cancel the subscription", {"reason": reason}).status == 400
    assert business.market.subscription(held).state is SubscriptionState.ACTIVE
    url, data = filled(asked, "Cancel the subscription", {"reason": HOSTILE})
    done, again = buyer.post(url, data), buyer.post(url, data)
    assert done.path == again.path == path_of(held)
    assert "CANCELED" in done.words
    assert HOSTILE in done.tree.text_content()
    assert HOSTILE not in done.text
    assert not [one for one in done.tree.xpath("//script") if not one.get("src")]
    assert "cannot cancel it now" in buyer.go(f"{path_of(held)}/cancellation").words
    refused = buyer.press(asked, "Cancel the subscription", {"reason": "Again."})
    assert refused.status in (409, 412, 422)


def test_providers_and_operators_suspend_and_resume_their_own(
    business: Business, provider: Member, requester: Member, held: UUID
) -> None:
    seller, operator = provider.visitor, business.operator
    suspended = seller.press(seller.go(path_of(held)), "Suspend", {"reason": "Repair."})
    assert "Its provider has suspended it." in suspended.words
    assert "Repair." in requester.visitor.go(path_of(held)).words
    assert "Suspend" not in [
        b.text for b in requester.visitor.go(path_of(held)).tree.xpath("//button")
    ]
    operator.press(operator.go(path_of(held)), "Suspend", {"reason": "A complaint."})
    resumed = seller.press(seller.go(path_of(held)), "Resume", {"reason": "Done."})
    assert "Others keep the subscription suspended." in resumed.notices[0]
    back = operator.press(operator.go(path_of(held)), "Resume", {"reason": "Settled."})
    assert "The subscription goes on." in back.notices[0]
    assert business.market.subscription(held).state is SubscriptionState.ACTIVE


def test_another_company_finds_nothing(stranger: Member, held: UUID) -> None:
    visitor, where = stranger.visitor, path_of(held)
    parts = ("", "/progress", "/points-of-delivery", "/points-of-delivery/new", "/statuses")
    for part in (*parts, "/cancellation", "/points-of-delivery?format=csv", "/statuses?format=csv"):
        assert visitor.go(where + part).status == 404, part
    own = visitor.go("/subscriptions")
    assert str(held) not in own.text
    token = ("csrf_token", own.tree.xpath('//input[@name="csrf_token"]/@value')[0])
    for part in ("/cancellation", "/suspension", "/resumption", "/points-of-delivery/new"):
        assert visitor.post(where + part, [token, ("reason", "x"), ("podIds", "A")]).status == 404


def test_roles_decide_what_can_be_done(
    business: Business, provider: Member, requester: Member, held: UUID
) -> None:
    watcher = business.colleague(requester, PersonRole.PROVIDER)
    page = watcher.go(path_of(held))
    assert page.status == 200
    for words in ("Add points of delivery", "Cancel the subscription", "Ask for new terms"):
        assert words not in page.words
    assert watcher.go(adding(held)).status == 403
    asked = requester.visitor.go(f"{path_of(held)}/cancellation")
    _, data = filled(asked, "Cancel the subscription", {"reason": "x"})
    token = watcher.go("/subscriptions").tree.xpath('//input[@name="csrf_token"]/@value')[0]
    given = [(n, v) for n, v in data if n not in ("csrf_token", "once")]
    refused = watcher.post(f"{path_of(held)}/cancellation", [*given, ("csrf_token", token)])
    assert refused.status == 403


def test_the_list_is_filtered_sorted_and_given_as_csv(
    business: Business, provider: Member, requester: Member, service_id: UUID
) -> None:
    market = business.market
    first = market.subscribed(provider.company, requester.company, service_id)
    second = market.pending(provider.company, requester.company, service_id)

    def shown(who: Visitor, query: str) -> list[str]:
        page = who.go(f"/subscriptions?service={service_id}{query}")
        return [str(one).rpartition("/")[2] for one in page.tree.xpath("//tbody//th/a/@href")]

    buyer = requester.visitor
    assert shown(buyer, "") == [str(second), str(first)]
    assert shown(buyer, "&sort=changed")[0] == str(second)
    assert shown(buyer, "&state=ACTIVE") == [str(first)]
    assert shown(buyer, "&role=provider") == []
    assert shown(business.operator, "") == [str(second), str(first)]
    csv = buyer.go(f"/subscriptions?service={service_id}&format=csv")
    assert len(csv.text.splitlines()) == 3
    assert buyer.go("/subscriptions?cursor=nonsense").status == 400
    assert buyer.go(f"{path_of(first)}?cursor=nonsense").status == 400
