"""Faults of a platform that changes its keys."""

from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import Any

from sqlalchemy import delete

from mpp_sdk import auth
from mpp_sdk.auth import InboundKeys, KeyPolicy, NewKey
from mpp_sdk.errors import Unauthenticated
from mpp_sdk.secrets import new_secret
from mpp_sdk.state.tables import REPLIES, InboundKeyRow
from mpp_sdk.web.idempotency import IdempotencyTable
from tests.conformance.altering import Answered, Asked, altering
from tests.conformance.faults.eu_mp_access import remember_keys
from tests.conformance.faults.eu_mp_once import slowly
from tests.conformance.faults.registry import fault
from tests.conformance.served import Broken

_IDEMPOTENCY_KEY = "idempotency-key"


def _issuing(broken: Broken, change: Callable[[NewKey], NewKey]) -> None:
    """Change what is told of a key that was issued."""
    original = InboundKeys.issue
    broken.patch.setattr(InboundKeys, "issue", lambda self: change(original(self)))


def _issued(key: NewKey, **fields: Any) -> NewKey:
    return NewKey(**{**vars(key), **fields})


@fault("The key that is to be replaced is issued again.", caught_by=("EU-MP-KEY-01",))
def issues_the_old_key(broken: Broken) -> None:
    keys = remember_keys(broken)
    _issuing(broken, lambda key: _issued(key, api_key=keys[0]))


@fault("A new key is told, and not let in.", caught_by=("EU-MP-KEY-01", "EU-MP-KEY-02"))
def issues_a_key_of_no_use(broken: Broken) -> None:
    _issuing(broken, lambda key: _issued(key, api_key=new_secret("fxk")))


def _valid_while(broken: Broken, valid: Callable[[Sequence[InboundKeyRow]], bool]) -> None:
    """Have the keys that came after it say whether a key is still let in."""

    def check(
        _: InboundKeys, row: InboundKeyRow, later: Sequence[InboundKeyRow], moment: datetime
    ) -> None:
        if not valid(later):
            raise Unauthenticated("The API key was replaced by a newer one.")

    broken.patch.setattr(InboundKeys, "_check_validity", check)


@fault(
    "The old key ends when the new one is issued.",
    caught_by=("EU-MP-KEY-02", "EU-MP-KEY-03", "EU-MP-KEY-05", "EU-MP-RESTART-03"),
)
def ends_the_old_key_at_once(broken: Broken) -> None:
    _valid_while(broken, lambda later: not later)


@fault("Only the two newest keys are let in.", caught_by=("EU-MP-KEY-05",))
def knows_two_keys(broken: Broken) -> None:
    _valid_while(broken, lambda later: len(later) < 2)


@fault(
    "The Idempotency-Key of a question for a key is passed over.",
    caught_by=("EU-MP-KEY-03", "EU-MP-KEY-07", "EU-MP-KEY-10", "EU-MP-RESTART-04"),
)
def passes_over_idempotency_keys(broken: Broken) -> None:
    def run(self: Any, connection: Any, call: Any, proceed: Callable[[], Any], box: Any) -> Any:
        return proceed()

    broken.patch.setattr(IdempotencyTable, "replay_or_run", run)


@fault(
    "Idempotency-Keys are compared without the case of their letters.", caught_by=("EU-MP-KEY-04",)
)
def compares_idempotency_keys_without_case(broken: Broken) -> None:
    def ask(asked: Asked) -> None:
        if _IDEMPOTENCY_KEY in asked.headers:
            asked.headers[_IDEMPOTENCY_KEY] = asked.headers[_IDEMPOTENCY_KEY].lower()

    broken.wrap(altering(ask))


@fault("Of an Idempotency-Key, 32 characters are kept.", caught_by=("EU-MP-KEY-04",))
def cuts_idempotency_keys(broken: Broken) -> None:
    def ask(asked: Asked) -> None:
        if _IDEMPOTENCY_KEY in asked.headers:
            asked.headers[_IDEMPOTENCY_KEY] = asked.headers[_IDEMPOTENCY_KEY][:32]

    broken.wrap(altering(ask))


def _with_policy(broken: Broken, **policy: timedelta) -> None:
    sound: dict[str, timedelta] = {
        "validity": timedelta(days=90),
        "overlap": timedelta(hours=24),
        "grace": timedelta(seconds=60),
    }
    broken.platform.inbound_keys._policy = KeyPolicy(**{**sound, **policy})


@fault("The old key outlives the new one.", caught_by=("EU-MP-KEY-06",))
def overlaps_beyond_the_end(broken: Broken) -> None:
    _with_policy(broken, overlap=timedelta(days=120))


@fault("A new key ended yesterday.", caught_by=("EU-MP-KEY-06",))
def tells_an_end_that_is_over(broken: Broken) -> None:
    day = timedelta(days=1)
    _issuing(broken, lambda key: _issued(key, valid_until=key.valid_from - day))


@fault("A new key is valid from tomorrow on.", caught_by=("EU-MP-KEY-06",))
def tells_a_beginning_to_come(broken: Broken) -> None:
    day = timedelta(days=1)
    _issuing(broken, lambda key: _issued(key, valid_from=key.valid_from + day))


@fault("There is no overlap.", caught_by=("EU-MP-KEY-02", "EU-MP-KEY-06"))
def gives_no_overlap(broken: Broken) -> None:
    _with_policy(broken, overlap=timedelta(0))


@fault("The moments of a key have no offset.", caught_by=("EU-MP-KEY-06",))
def tells_moments_without_offset(broken: Broken) -> None:
    def answer(asked: Asked, given: Answered) -> None:
        if asked.path.endswith("/apikey") and given.status == 200:
            moment = given.fields["validUntil"]
            given.write(validUntil=moment[:19])

    broken.wrap(altering(answer=answer))


@fault(
    "Two questions with one Idempotency-Key at the same moment get two keys.",
    caught_by=("EU-MP-KEY-07",),
)
def answers_twice_at_once(broken: Broken) -> None:
    under_way: set[str] = set()

    def ask(asked: Asked) -> None:
        this = asked.headers.get(_IDEMPOTENCY_KEY, "")
        if this in under_way:
            del asked.headers[_IDEMPOTENCY_KEY]
        elif this:
            under_way.add(this)

    def answer(asked: Asked, _: Answered) -> None:
        under_way.discard(asked.headers.get(_IDEMPOTENCY_KEY, ""))

    broken.wrap(slowly)
    broken.wrap(altering(ask, answer))


@fault("After five keys there is no other.", caught_by=("EU-MP-KEY-08",))
def has_five_keys(broken: Broken) -> None:
    issued = [0]

    def generate(prefix: str) -> str:
        issued[0] += 1
        if issued[0] > 5:
            raise RuntimeError("There are no more keys.")
        return new_secret(prefix)

    broken.patch.setattr(auth, "new_secret", generate)


@fault("While a new key is not used, any key is let in.", caught_by=("EU-MP-KEY-09",))
def lets_anybody_in_meanwhile(broken: Broken) -> None:
    original = InboundKeys.check

    def check(self: InboundKeys, presented: str) -> None:
        keys = self.all()
        if len(keys) == 1 or keys[-1].first_used_at is not None:
            original(self, presented)

    broken.patch.setattr(InboundKeys, "check", check)


@fault(
    "The answer to an Idempotency-Key is forgotten once the key is used.",
    caught_by=("EU-MP-KEY-10",),
)
def forgets_the_answer_at_first_use(broken: Broken) -> None:
    original = InboundKeys._note_first_use

    def note(self: InboundKeys, row: InboundKeyRow, moment: datetime) -> None:
        original(self, row, moment)
        with self._transactions() as session:
            session.execute(delete(REPLIES.table))

    broken.patch.setattr(InboundKeys, "_note_first_use", note)


@fault("A key is shorter than the contract has it.", caught_by=("EU-MP-KEY-01",))
def issues_short_keys(broken: Broken) -> None:
    broken.patch.setattr(auth, "new_secret", lambda prefix: new_secret(prefix)[:12])


@fault("Only the connection test takes a new key.", caught_by=("EU-MP-KEY-01",))
def lists_take_the_first_key_only(broken: Broken) -> None:
    first: list[str] = []

    def ask(asked: Asked) -> None:
        key = asked.headers.get("x-api-key", "")
        first.append(key)
        if asked.path.endswith("/events") and key != first[0]:
            asked.headers["x-api-key"] = "unknown"

    broken.wrap(altering(ask))
