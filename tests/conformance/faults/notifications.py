"""Faults of a marketplace that takes notifications."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

from marketplace.consents import service as consents
from mpp_sdk.ids import new_id
from tests.conformance.altering import Answered, Asked, acknowledged, altering, refusal
from tests.conformance.faults.registry import fault
from tests.conformance.stage import Front

_CONTRACT = "notifications"
_KEY = "idempotency-key"


def _is_consent(asked: Asked) -> bool:
    return asked.path.endswith("/service/consent")


def _is_activation(asked: Asked) -> bool:
    return asked.path.endswith("/service/activation")


def _is_rotation(asked: Asked) -> bool:
    return asked.path.endswith("/apikey")


def _is_test(asked: Asked) -> bool:
    return asked.path.endswith("/test")


def _now() -> str:
    return datetime.now(UTC).isoformat()


def _refuse_state(front: Front, state: str) -> None:
    def ask(asked: Asked) -> Answered | None:
        given = asked.fields
        return refusal(400) if state in (given.get("state"), given.get("status")) else None

    front.wrap(altering(ask))


def _become(answered: Answered, other: Answered) -> None:
    answered.status, answered.body = other.status, other.body
    answered.headers["content-type"] = other.headers["content-type"]


@fault(
    "It says that it is another contract.",
    contract=_CONTRACT,
    caught_by=("NOTIFICATIONS-TEST-01",),
)
def names_another_contract(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_test(asked) and answered.status == 200:
            answered.write(contract="eu-mp")

    front.wrap(altering(answer=answer))


@fault("EXPIRED is unknown.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-STATE-01",))
def knows_no_expired_consent(front: Front) -> None:
    _refuse_state(front, "EXPIRED")


@fault("SUSPENDED is unknown.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-STATE-02",))
def knows_no_suspended_activation(front: Front) -> None:
    _refuse_state(front, "SUSPENDED")


@fault("UNAVAILABLE is unknown.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-STATE-03",))
def knows_no_unavailable_service(front: Front) -> None:
    _refuse_state(front, "UNAVAILABLE")


@fault("Ids are written in capitals.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-STATE-04",))
def writes_ids_in_capitals(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if "podId" in asked.fields:
            asked.write(podId=asked.fields["podId"].upper())

    front.wrap(altering(ask))


@fault("A reason is counted in bytes.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-STATE-05",))
def counts_bytes(front: Front) -> None:
    def ask(asked: Asked) -> Answered | None:
        return refusal(400) if len(asked.fields.get("reason", "").encode()) > 1000 else None

    front.wrap(altering(ask))


@fault(
    "What comes again is acknowledged as applied.",
    contract=_CONTRACT,
    caught_by=(
        "NOTIFICATIONS-ONCE-01",
        "NOTIFICATIONS-ONCE-02",
        "NOTIFICATIONS-ONCE-03",
        "NOTIFICATIONS-ONCE-04",
        "NOTIFICATIONS-ONCE-06",
    ),
)
def calls_duplicates_applied(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if answered.fields.get("outcome") == "DUPLICATE":
            answered.write(outcome="APPLIED")

    front.wrap(altering(answer=answer))


@fault(
    "What comes again is applied, and is said not to be.",
    contract=_CONTRACT,
    caught_by=("NOTIFICATIONS-ONCE-02", "NOTIFICATIONS-ONCE-04"),
)
def applies_again_and_denies_it(front: Front) -> None:
    """Apply it as news, in a marketplace in which any consent may follow any other."""
    seen: dict[str, str] = {}

    class AnyOrder:
        @staticmethod
        def after(_: object, state: object) -> object:
            return state

    front.patch.setattr(consents, "CONSENT", AnyOrder())

    def ask(asked: Asked) -> None:
        event_id = asked.fields.get("eventId")
        if not _is_consent(asked) or event_id is None:
            return
        if event_id in seen:
            seen[fresh := str(new_id())] = event_id
            asked.write(eventId=fresh, occurredAt=_now())
        else:
            seen[event_id] = event_id

    def answer(_: Asked, answered: Answered) -> None:
        told = answered.fields.get("eventId")
        if told in seen and seen[told] != told:
            answered.write(eventId=seen[told], outcome="DUPLICATE")

    front.wrap(altering(ask, answer))


@fault(
    "What is refused is recorded as done.",
    contract=_CONTRACT,
    caught_by=("NOTIFICATIONS-ONCE-05",),
)
def records_before_it_checks(front: Front) -> None:
    refused: set[str] = set()

    def ask(asked: Asked) -> Answered | None:
        event_id = asked.fields.get("eventId")
        return acknowledged(event_id, "DUPLICATE") if event_id in refused else None

    def answer(asked: Asked, answered: Answered) -> None:
        if answered.status == 409:
            refused.add(str(asked.fields.get("eventId")))

    front.wrap(altering(ask, answer))


@fault(
    "Another event is acknowledged than came.",
    contract=_CONTRACT,
    caught_by=("NOTIFICATIONS-ONCE-01",),
)
def acknowledges_another_event(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if "outcome" in answered.fields:
            answered.write(eventId=str(new_id()))

    front.wrap(altering(answer=answer))


@fault("It forgets at a restart.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-RESTART-01",))
def forgets_its_inbox(front: Front) -> None:
    starts = front.starts
    fresh: dict[str, str] = {}

    def ask(asked: Asked) -> None:
        if front.starts > starts and "eventId" in asked.fields:
            given = asked.fields["eventId"]
            asked.write(eventId=fresh.setdefault(given, str(new_id())))

    def answer(asked: Asked, answered: Answered) -> None:
        given = next((old for old, new in fresh.items() if new == asked.fields["eventId"]), None)
        if given is not None and "outcome" in answered.fields:
            answered.write(eventId=given)

    front.wrap(altering(ask, answer))


@fault(
    "What arrives last holds.",
    contract=_CONTRACT,
    caught_by=(
        "NOTIFICATIONS-ORDER-01",
        "NOTIFICATIONS-ORDER-02",
        "NOTIFICATIONS-ORDER-03",
        "NOTIFICATIONS-ORDER-04",
        "NOTIFICATIONS-ORDER-05",
        "NOTIFICATIONS-ORDER-06",
    ),
)
def orders_by_arrival(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if "occurredAt" in asked.fields:
            asked.write(occurredAt=_now())

    front.wrap(altering(ask))


def _cut(front: Front, cut: Callable[[str], str]) -> None:
    def ask(asked: Asked) -> None:
        given = asked.fields.get("occurredAt")
        if given is not None:
            asked.write(occurredAt=cut(given))

    front.wrap(altering(ask))


@fault("Offsets are ignored.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-ORDER-05",))
def ignores_offsets_of_moments(front: Front) -> None:
    _cut(front, lambda given: f"{given[:19]}Z")


@fault("Moments are cut to seconds.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-ORDER-06",))
def cuts_moments_to_seconds(front: Front) -> None:
    _cut(
        front,
        lambda given: datetime.fromisoformat(given.upper()).replace(microsecond=0).isoformat(),
    )


@fault(
    "The newest of any customer counts.",
    contract=_CONTRACT,
    caught_by=("NOTIFICATIONS-ORDER-07",),
)
def orders_all_customers_together(front: Front) -> None:
    newest: list[datetime] = []

    def ask(asked: Asked) -> Answered | None:
        if not _is_consent(asked):
            return None
        moment = datetime.fromisoformat(asked.fields["occurredAt"])
        if any(moment < one for one in newest):
            return acknowledged(asked.fields["eventId"], "SUPERSEDED")
        newest.append(moment)
        return None

    front.wrap(altering(ask))


@fault(
    "A service becomes ACTIVE whatever the customer says.",
    contract=_CONTRACT,
    caught_by=(
        "NOTIFICATIONS-GUARD-01",
        "NOTIFICATIONS-GUARD-02",
        "NOTIFICATIONS-GUARD-03",
    ),
)
def asks_for_no_consent(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_activation(asked) and answered.status == 409:
            _become(answered, acknowledged(asked.fields["eventId"], "APPLIED"))

    front.wrap(altering(answer=answer))


@fault("A period has no meaning.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-GUARD-03",))
def ignores_the_period(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if "validity" in asked.fields:
            asked.write(validity=None)

    front.wrap(altering(ask))


@fault("A period may end first.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-GUARD-04",))
def takes_periods_backwards(front: Front) -> None:
    def ask(asked: Asked) -> None:
        period = asked.fields.get("validity")
        if period and period.get("end", "z") < period["start"]:
            asked.write(validity={"start": period["end"], "end": period["start"]})

    front.wrap(altering(ask))


@fault("The future is taken.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-GUARD-05",))
def takes_the_future(front: Front) -> None:
    def cut(given: str) -> str:
        moment = datetime.fromisoformat(given.upper())
        return min(moment, datetime.now(UTC)).isoformat()

    _cut(front, cut)


@fault("A clock must not be ahead.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-GUARD-05",))
def has_no_tolerance(front: Front) -> None:
    def ask(asked: Asked) -> Answered | None:
        given = asked.fields.get("occurredAt")
        if given is None:
            return None
        ahead = datetime.fromisoformat(given.upper()) - datetime.now(UTC)
        return refusal(409) if ahead > timedelta(seconds=5) else None

    front.wrap(altering(ask))


@fault(
    "What is not there is acknowledged.",
    contract=_CONTRACT,
    caught_by=("NOTIFICATIONS-GUARD-06", "NOTIFICATIONS-GUARD-07"),
)
def acknowledges_the_unknown(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if answered.status == 404 and "eventId" in asked.fields:
            _become(answered, acknowledged(asked.fields["eventId"], "APPLIED"))

    front.wrap(altering(answer=answer))


@fault(
    "It says that others' subscriptions exist.",
    contract=_CONTRACT,
    caught_by=("NOTIFICATIONS-GUARD-07",),
)
def tells_that_others_exist(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if answered.status == 404:
            _become(answered, refusal(403))

    front.wrap(altering(answer=answer))


@fault("An end is no end.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-GUARD-08",))
def answers_an_end_with_409(front: Front) -> None:
    def answer(_: Asked, answered: Answered) -> None:
        if answered.status == 410:
            _become(answered, refusal(409))

    front.wrap(altering(answer=answer))


@fault("Tokens are refused.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-TOKEN-01",))
def takes_no_tokens(front: Front) -> None:
    def ask(asked: Asked) -> Answered | None:
        if not asked.headers.get("authorization", "").startswith("Bearer"):
            return None
        refused = refusal(401)
        refused.headers["www-authenticate"] = "Bearer"
        return refused

    front.wrap(altering(ask))


@fault("Any token is taken.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-TOKEN-02",))
def takes_any_token(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_test(asked) and answered.status == 401:
            told = Answered(200, {"content-type": "application/json"})
            told.write(status="AVAILABLE", contract=_CONTRACT, contractVersion="1.0.0", time=_now())
            _become(answered, told)

    front.wrap(altering(answer=answer))


def _issue(answered: Answered, api_key: str) -> None:
    now = datetime.now(UTC)
    answered.write(
        apiKey=api_key,
        validFrom=now.isoformat(),
        validUntil=(now + timedelta(days=90)).isoformat(),
        previousKeyValidUntil=(now + timedelta(days=1)).isoformat(),
    )


@fault("A new key is the old one.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-KEY-01",))
def issues_the_same_key(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_rotation(asked) and answered.status == 200:
            _issue(answered, asked.headers["x-api-key"])

    front.wrap(altering(answer=answer))


@fault(
    "An old key is dropped as soon as a new one is issued.",
    contract=_CONTRACT,
    caught_by=("NOTIFICATIONS-KEY-02", "NOTIFICATIONS-KEY-03", "NOTIFICATIONS-KEY-05"),
)
def drops_the_old_key_at_once(front: Front) -> None:
    dropped: set[str] = set()

    def ask(asked: Asked) -> Answered | None:
        if asked.headers.get("x-api-key") not in dropped:
            return None
        refused = refusal(401)
        refused.headers["www-authenticate"] = "ApiKey"
        return refused

    def answer(asked: Asked, answered: Answered) -> None:
        if _is_rotation(asked) and answered.status == 200:
            dropped.add(asked.headers["x-api-key"])

    front.wrap(altering(ask, answer))


@fault(
    "A lost answer is not given again.",
    contract=_CONTRACT,
    caught_by=("NOTIFICATIONS-KEY-03", "NOTIFICATIONS-KEY-07", "NOTIFICATIONS-KEY-10"),
)
def issues_a_key_for_every_call(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if _is_rotation(asked):
            asked.headers.pop(_KEY, None)

    front.wrap(altering(ask))


@fault("Keys differ in no letter's case.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-KEY-04",))
def compares_without_case(front: Front) -> None:
    def ask(asked: Asked) -> None:
        if _is_rotation(asked) and _KEY in asked.headers:
            asked.headers[_KEY] = asked.headers[_KEY].lower()

    front.wrap(altering(ask))


@fault("A new key is over.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-KEY-06",))
def issues_keys_that_are_over(front: Front) -> None:
    def answer(asked: Asked, answered: Answered) -> None:
        if _is_rotation(asked) and answered.status == 200:
            answered.write(validUntil="2026-01-01T00:00:00Z")

    front.wrap(altering(answer=answer))


@fault("A key changes three times.", contract=_CONTRACT, caught_by=("NOTIFICATIONS-KEY-08",))
def issues_three_keys(front: Front) -> None:
    issued: list[str] = []

    def ask(asked: Asked) -> Answered | None:
        return refusal(409) if _is_rotation(asked) and len(issued) >= 3 else None

    def answer(asked: Asked, answered: Answered) -> None:
        if _is_rotation(asked) and answered.status == 200:
            issued.append(answered.fields["apiKey"])

    front.wrap(altering(ask, answer))


@fault(
    "While a key is changed, any key is taken.",
    contract=_CONTRACT,
    caught_by=("NOTIFICATIONS-KEY-09",),
)
def takes_any_key_during_a_rotation(front: Front) -> None:
    rotating: list[str] = []

    def answer(asked: Asked, answered: Answered) -> None:
        if _is_rotation(asked) and answered.status == 200:
            rotating.append(answered.fields["apiKey"])
        if rotating and _is_test(asked) and answered.status == 401:
            told = Answered(200, {"content-type": "application/json"})
            told.write(status="AVAILABLE", contract=_CONTRACT, contractVersion="1.0.0", time=_now())
            _become(answered, told)

    front.wrap(altering(answer=answer))
