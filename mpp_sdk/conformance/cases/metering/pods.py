"""Whether points of delivery are requested once, and told truly."""

from collections.abc import Sequence
from typing import Any

from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.model import NotShown
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.samples import new_pod
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.ids import new_id

_CONTRACT = "metering"
_REQUEST = "request_points_of_delivery"
_LIST = "list_points_of_delivery"
_READ = "read_validated_measure_data"
_MOST = 10_000
_MOST_PAGES = 60
_TWICE = (
    "Look which points of delivery are known, and begin the consent process of the others only."
)


@case(
    "METERING-POD-01",
    "Requested points of delivery are answered and listed, each once",
    why="A requester follows the list: what is not in it is never asked for again.",
    contract=_CONTRACT,
)
def requested(subject: Subject) -> str:
    for count in (1, 3):
        pods = [new_pod() for _ in range(count)]
        told = _requested(subject, pods)
        _expect_each_once(subject, "The answer", list(told), pods)
        listed = [str(one.get("podId")) for one in _listed(subject)]
        _expect_each_once(subject, "The list", [one for one in listed if one in pods], pods)
    return "Four were requested in two calls, and listed."


@case(
    "METERING-POD-02",
    "Points of delivery that are requested again are not begun anew",
    why="Customers who have answered would be asked again whenever a requester is not sure.",
    contract=_CONTRACT,
)
def requested_again(subject: Subject) -> str:
    first, both, second = (new_pod() for _ in range(3))
    before = _requested(subject, [first, both])
    again = _requested(subject, [both, second])
    _expect_each_once(subject, "The answer", list(again), [both, second])
    listed = _listed(subject)
    after = {str(one.get("podId")): one for one in listed}
    for status in (again.get(both, {}), after.get(both, {})):
        known = before.get(both, {})
        if status.get("consent") == known.get("consent"):
            subject.expect(
                status.get("updatedAt") == known.get("updatedAt"),
                "A point of delivery that was requested again has changed: `updatedAt` went from "
                f"{known.get('updatedAt')} to {status.get('updatedAt')}.",
                advice=_TWICE,
            )
        subject.expect(
            status.get("consent") != "REQUESTED" or known.get("consent") == "REQUESTED",
            f"A consent that was {known.get('consent')} is REQUESTED after the second request.",
            advice=_TWICE,
        )
    _expect_each_once(
        subject,
        "The list",
        [str(one.get("podId")) for one in listed if one.get("podId") in (first, both, second)],
        [first, both, second],
    )
    return "Only the new one was begun."


@case(
    "METERING-POD-03",
    "Each point of delivery has a state",
    why="A requester decides by it whether to wait, to fetch readings, or to delete them.",
    contract=_CONTRACT,
)
def states(subject: Subject) -> str:
    told = _requested(subject, [new_pod(), new_pod()])
    for pod_id, status in told.items():
        subject.expect(
            "consent" in status or "activation" in status,
            f"{pod_id} has neither a consent nor an activation.",
            advice="Where the service needs no consent, a requested one has an activation.",
        )
        subject.expect(
            status.get("activation") != "ACTIVE" or status.get("consent") in (None, "GRANTED"),
            f"{pod_id} is ACTIVE with a consent that is {status.get('consent')}.",
        )
    return f"{len(told)} have a state."


@case(
    "METERING-POD-04",
    "The list can be had by the state of the activation",
    why="A requester with many points of delivery reads those that it may fetch, and no others.",
    contract=_CONTRACT,
)
def filtered(subject: Subject) -> str:
    operation = subject.operation(_LIST)
    wanted = next(one.schema["enum"] for one in operation.parameters if one.name == "activation")
    _requested(subject, [new_pod()])
    whole = _listed(subject)
    for state in wanted:
        part = [str(one.get("podId")) for one in _listed(subject, state)]
        expected = [str(one.get("podId")) for one in whole if one.get("activation") == state]
        subject.expect(
            part == expected,
            f"activation={state} gives {len(part)} points of delivery; in the whole list, "
            f"{len(expected)} are {state}.",
        )
    return f"{len(whole)} were told apart by {len(wanted)} states."


@case(
    "METERING-POD-05",
    "Ids that differ in a letter's case or a sign are different points of delivery",
    why="They are different people's meters.",
    contract=_CONTRACT,
)
def odd_pods(subject: Subject) -> str:
    run = str(new_id())
    pods = [f"kit.{run}", f"KIT.{run}", f"kit:{run}", f"kit_{run}", f"Z{run}".ljust(60, "z")]
    told = _requested(subject, pods)
    _expect_each_once(subject, "The answer", list(told), pods)
    listed = [str(one.get("podId")) for one in _listed(subject)]
    _expect_each_once(subject, "The list", [one for one in listed if one in pods], pods)
    return f"{len(pods)} ids of every kind were told apart."


@case(
    "METERING-POD-06",
    "A list of 10,000 points of delivery is read",
    why="A requester with many customers asks for all of them in one call.",
    contract=_CONTRACT,
)
def many(subject: Subject) -> str:
    pods = [f"CONFORMANCE-{number:05}-{'x' * 42}" for number in range(_MOST)]
    answer = subject.call(  # under a subscription that does not exist, so that nobody is asked
        _REQUEST, path={"subscriptionId": str(new_id())}, body={"podIds": pods}
    )
    subject.expect(
        answer.status in (403, 404),
        f"{answer} for {_MOST} ids under a subscription that does not exist, not 404.",
        advice="Read bodies of at least 1 MiB.",
        exchange=answer,
    )
    return f"{len(pods)} ids were read."


@case(
    "METERING-KEY-01",
    "A subscription that does not exist is answered 404 or 403",
    why="The key opens one subscription; whoever guesses ids learns nothing.",
    contract=_CONTRACT,
)
def unknown_subscription(subject: Subject) -> str:
    return _expect_closed(subject, str(new_id()))


@case(
    "METERING-KEY-02",
    "A subscription of another requester is answered 404 or 403",
    why="With the key to one customer's data, anybody could read that of all others.",
    contract=_CONTRACT,
)
def foreign_subscription(subject: Subject) -> str:
    foreign = subject.target.foreign_subscription_id
    if foreign is None:
        raise NotShown(
            "Name a subscription of another requester with this provider with "
            "--foreign-subscription."
        )
    return _expect_closed(subject, str(foreign))


@case(
    "METERING-RESTART-01",
    "After a restart the provider knows what was requested",
    why="What is kept in memory alone is asked again of every customer with every new release.",
    contract=_CONTRACT,
)
def after_a_restart(subject: Subject) -> str:
    pod = new_pod()
    before = _requested(subject, [pod]).get(pod, {})
    subject.restart()
    listed = {str(one.get("podId")): one for one in _listed(subject)}
    subject.expect(pod in listed, "After the restart the list has lost a point of delivery.")
    again = _requested(subject, [pod]).get(pod, {})
    if again.get("consent") == before.get("consent"):
        subject.expect(
            again.get("updatedAt") == before.get("updatedAt"),
            "After the restart a point of delivery was begun anew.",
            advice=_TWICE,
        )
    return "It was known, and not begun anew."


def _requested(subject: Subject, pods: Sequence[str]) -> dict[str, dict[str, Any]]:
    """Request points of delivery and return what is told of each."""
    answer = subject.call(_REQUEST, body={"podIds": list(pods)})
    subject.demand(answer.status == 202, f"{answer}, not 202.", exchange=answer)
    items = _items(answer)
    ids = [str(one.get("podId")) for one in items]
    _expect_each_once(subject, "The answer", ids, pods)
    return {str(one.get("podId")): one for one in items}


def _listed(subject: Subject, activation: str | None = None) -> list[dict[str, Any]]:
    """Return the whole list."""
    found: list[dict[str, Any]] = []
    cursor: str | None = None
    for _ in range(_MOST_PAGES):
        page = subject.call(_LIST, query={"limit": 200, "cursor": cursor, "activation": activation})
        subject.demand(page.status == 200, f"{page}, not 200.", exchange=page)
        found += _items(page)
        cursor = page.fields().get("nextCursor")
        if cursor is None:
            break
    return found


def _items(page: Exchange) -> list[dict[str, Any]]:
    items = page.fields().get("items")
    return [one for one in items if isinstance(one, dict)] if isinstance(items, list) else []


def _expect_each_once(subject: Subject, what: str, ids: list[str], pods: Sequence[str]) -> None:
    subject.expect(
        sorted(ids) == sorted(pods),
        f"{what} has {len(ids)} of the {len(pods)} points of delivery that were requested: "
        f"{', '.join(ids[:5]) or 'none'}.",
        advice="Answer with every point of delivery of the call, each once.",
    )


def _expect_closed(subject: Subject, subscription_id: str) -> str:
    operations = (_REQUEST, _LIST, _READ)
    for operation in operations:
        answer = subject.call(operation, path={"subscriptionId": subscription_id})
        subject.expect(answer.status in (403, 404), f"{answer}, not 404.", exchange=answer)
    return f"{len(operations)} operations refused it."
