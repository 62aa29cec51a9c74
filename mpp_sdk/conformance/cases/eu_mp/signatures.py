"""Whether an event is the marketplace's own: signatures, after Standard Webhooks."""

import json
from collections.abc import Mapping
from datetime import timedelta

from mpp_sdk import webhooks
from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.model import NotShown
from mpp_sdk.conformance.offers import Event, Offer, demand_outcome, offer, tell
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.ids import new_id

_CONTRACT = "eu-mp"
_INSIDE, _OUTSIDE = timedelta(seconds=285), timedelta(seconds=315)
_ADVICE = "Check webhook-signature with a library of Standard Webhooks, before the body is read."
_BOTH_WAYS = "Refuse what was signed more than five minutes ago, or ahead, and nothing nearer."
_UNSIGNED: Mapping[str, str | None] = {
    webhooks.ID_HEADER: None,
    webhooks.TIMESTAMP_HEADER: None,
    webhooks.SIGNATURE_HEADER: None,
}


def _secrets(subject: Subject) -> tuple[str, ...]:
    secrets = subject.credentials.signing_secrets
    if not secrets:
        raise NotShown(
            "The kit was given no signing secret: name one that the server checks events with."
        )
    return secrets


def _signed(
    subject: Subject,
    event: Event,
    *,
    secrets: tuple[str, ...] | None = None,
    body: Mapping[str, object] | None = None,
    event_id: str | None = None,
    ahead: timedelta = timedelta(0),
) -> dict[str, str]:
    """Return the headers that sign an event, or another body or id, at a moment from now."""
    content = subject.prepared(event.operation, body=dict(body or event.body)).body or b""
    return webhooks.sign(
        event_id or str(event.id),
        subject.now() + ahead,
        content,
        _secrets(subject) if secrets is None else secrets,
    )


def _expect_refused(
    subject: Subject, answer: Exchange, how: str, *statuses: int, advice: str = _ADVICE
) -> None:
    allowed = statuses or (401,)
    subject.expect(
        answer.status in allowed,
        f"{answer} {how}, not {' or '.join(map(str, allowed))}.",
        advice=advice,
        exchange=answer,
    )


def _expect_nothing_done(subject: Subject, event: Event) -> None:
    """Note an event that was recorded though it was refused: signed, it is news."""
    answer = tell(subject, event)
    demand_outcome(subject, answer, event, "APPLIED")


@case(
    "EU-MP-SIGN-01",
    "What is not signed is refused, and nothing of it is recorded",
    why="Who has seen a key in a log could end subscriptions with it.",
    contract=_CONTRACT,
)
def unsigned(subject: Subject) -> str:
    _secrets(subject)
    signed = [
        one
        for one in subject.operations()
        if any(parameter.name == webhooks.SIGNATURE_HEADER for parameter in one.parameters)
    ]
    for operation in signed:
        answer = subject.call(operation, headers=_UNSIGNED)
        _expect_refused(subject, answer, "without a signature")
    with offer(subject) as made:
        event = made.confirmed(0)
        for name in _UNSIGNED:
            answer = tell(subject, event, headers={**_signed(subject, event), name: None})
            _expect_refused(subject, answer, f"without {name}")
        _expect_nothing_done(subject, event)
    return f"{len(signed)} operations answered 401."


@case(
    "EU-MP-SIGN-02",
    "A signature by a secret that the platform does not know is refused",
    why="A signature that is there and not checked looks safe and is not.",
    contract=_CONTRACT,
)
def unknown_secret(subject: Subject) -> str:
    _secrets(subject)
    with offer(subject) as made:
        event = made.confirmed(0)
        headers = _signed(subject, event, secrets=(webhooks.new_signing_secret(),))
        _expect_refused(subject, tell(subject, event, headers=headers), "signed by a stranger")
        _expect_nothing_done(subject, event)
    return "It was answered 401."


@case(
    "EU-MP-SIGN-03",
    "A body that was changed after it was signed is refused",
    why="Whoever stands between could change the terms, the address or the key.",
    contract=_CONTRACT,
)
def changed_body(subject: Subject) -> str:
    with offer(subject) as made:
        event = made.confirmed(0)
        b2b = {**event.body["b2b"], "baseUrl": "https://mpp.forger.example"}
        answer = tell(
            subject, event, body={**event.body, "b2b": b2b}, headers=_signed(subject, event)
        )
        _expect_refused(subject, answer, "with a body that was not signed")
        _expect_nothing_done(subject, event)
    return "It was answered 401."


@case(
    "EU-MP-SIGN-04",
    "A signature of another event, id or moment is refused",
    why="A signature that was seen once would open the door for everything.",
    contract=_CONTRACT,
)
def of_something_else(subject: Subject) -> str:
    with offer(subject) as made:
        event, other = made.confirmed(0), made.canceled(10)
        _expect_refused(
            subject,
            tell(subject, event, headers=_signed(subject, other)),
            "with the signature of another event",
        )
        own = _signed(subject, event)
        _expect_refused(
            subject,
            tell(subject, event, headers={**own, webhooks.ID_HEADER: str(new_id())}),
            "with another webhook-id than was signed",
        )
        moment = str(int(own[webhooks.TIMESTAMP_HEADER]) + 1)
        _expect_refused(
            subject,
            tell(subject, event, headers={**own, webhooks.TIMESTAMP_HEADER: moment}),
            "with another webhook-timestamp than was signed",
        )
        _expect_nothing_done(subject, event)
    return "Three were answered 401."


@case(
    "EU-MP-SIGN-05",
    "What was signed more than five minutes ago is refused, and what is younger is taken",
    why="What was recorded could be sent again next year; what was slow is no forgery.",
    contract=_CONTRACT,
)
def too_old(subject: Subject) -> str:
    with offer(subject) as made:
        _expect_tolerance(subject, made, -1, "signed more than five minutes ago")
    return f"{_OUTSIDE.seconds} s ago was refused, {_INSIDE.seconds} s ago was taken."


@case(
    "EU-MP-SIGN-06",
    "What is signed more than five minutes ahead is refused, and what is nearer is taken",
    why="Signed for next year, a request would be good until then; clocks differ by seconds.",
    contract=_CONTRACT,
)
def from_the_future(subject: Subject) -> str:
    with offer(subject) as made:
        _expect_tolerance(subject, made, 1, "signed more than five minutes ahead")
    return f"{_OUTSIDE.seconds} s ahead was refused, {_INSIDE.seconds} s ahead was taken."


def _expect_tolerance(subject: Subject, made: Offer, way: int, how: str) -> None:
    event = made.confirmed(0)
    outside = _signed(subject, event, ahead=way * _OUTSIDE)
    answer = tell(subject, event, headers=outside)
    _expect_refused(subject, answer, how, advice=_BOTH_WAYS)
    answer = tell(subject, event, headers=_signed(subject, event, ahead=way * _INSIDE))
    demand_outcome(subject, answer, event, "APPLIED")


@case(
    "EU-MP-SIGN-07",
    "Headers that are no signature are refused with 401 or 400, never with 500",
    why="What breaks the check may pass by it, and is told as a defect of the platform.",
    contract=_CONTRACT,
)
def malformed(subject: Subject) -> str:
    with offer(subject) as made:
        event = made.confirmed(0)
        own = _signed(subject, event)
        right = own[webhooks.SIGNATURE_HEADER].removeprefix("v1,").split(" ")[0]
        signatures = ("v1", "v1,", ",", "v1,====", "v1,ÿ", right, f"v1;{right}", "v1," + "A" * 2000)
        wrong = [(webhooks.SIGNATURE_HEADER, one) for one in signatures]
        wrong += [(webhooks.TIMESTAMP_HEADER, one) for one in ("now", "-1", "1e9", "9" * 12)]
        for name, value in wrong:
            answer = tell(subject, event, headers={**own, name: value})
            _expect_refused(subject, answer, f"with {name} {value[:20]!r}", 401, 400)
        _expect_nothing_done(subject, event)
    return f"{len(wrong)} were refused."


@case(
    "EU-MP-SIGN-08",
    "One right signature among several is enough",
    why="While the marketplace changes its secret, each event is signed by both.",
    contract=_CONTRACT,
)
def among_several(subject: Subject) -> str:
    live, stranger = _secrets(subject)[0], webhooks.new_signing_secret()
    with offer(subject) as made:
        events = (made.confirmed(0), made.suspended(10))
        for event, secrets in zip(events, ((stranger, live), (live, stranger)), strict=True):
            headers = _signed(subject, event, secrets=secrets)
            demand_outcome(subject, tell(subject, event, headers=headers), event, "APPLIED")
    return "The right one was found, as the first and as the last."


@case(
    "EU-MP-SIGN-09",
    "A signature of an unknown version is passed over: taken with a right one, refused alone",
    why="The next version is brought in beside this one; and a version is no way around the check.",
    contract=_CONTRACT,
)
def unknown_version(subject: Subject) -> str:
    with offer(subject) as made:
        event = made.confirmed(0)
        own = _signed(subject, event)
        right = own[webhooks.SIGNATURE_HEADER]
        alone = " ".join(one.replace("v1,", "v2,") for one in right.split(" "))
        answer = tell(subject, event, headers={**own, webhooks.SIGNATURE_HEADER: alone})
        _expect_refused(subject, answer, "with a signature of version v2 alone")
        both = {**own, webhooks.SIGNATURE_HEADER: f"v1a,{'B' * 86}== {right}"}
        demand_outcome(subject, tell(subject, event, headers=both), event, "APPLIED")
    return "It was passed over."


@case(
    "EU-MP-SIGN-10",
    "The signature is that of the bytes as they came, however the JSON is laid out",
    why="A body that is read and written again before the check has other bytes.",
    contract=_CONTRACT,
)
def to_the_byte(subject: Subject) -> str:
    _secrets(subject)
    with offer(subject) as made:
        for event, content in (
            (made.confirmed(0), _spaced),
            (made.suspended(10, reason="Año 😀 \\ / \u2028"), _escaped),
        ):
            body = content(event)
            headers = webhooks.sign(str(event.id), subject.now(), body, _secrets(subject))
            answer = tell(subject, event, body=body, headers=headers)
            demand_outcome(subject, answer, event, "APPLIED")
    return "Bodies with spaces, escapes and another order of fields were taken."


def _spaced(event: Event) -> bytes:
    return f"\n {json.dumps(event.body, indent=3, sort_keys=True)} \r\n".encode()


def _escaped(event: Event) -> bytes:
    return json.dumps(event.body, ensure_ascii=True, separators=(" , ", " : ")).encode()


@case(
    "EU-MP-SIGN-11",
    "While two secrets are known, an event that either of them has signed is taken",
    why="The marketplace and the platform do not change the secret at the same moment.",
    contract=_CONTRACT,
)
def two_secrets(subject: Subject) -> str:
    secrets = _secrets(subject)
    if len(secrets) < 2:
        raise NotShown(
            "Two signing secrets are needed: set the server to a second one beside the first, as "
            "while the secret is changed, and name both."
        )
    with offer(subject) as made:
        events = (made.confirmed(0), made.suspended(10), made.resumed(20))
        used = ((secrets[0],), (secrets[1],), secrets)
        for event, by in zip(events, used, strict=True):
            headers = _signed(subject, event, secrets=by)
            demand_outcome(subject, tell(subject, event, headers=headers), event, "APPLIED")
    return "Each alone and both together were taken."


@case(
    "EU-MP-SIGN-12",
    "A right signature does not replace the key",
    why="Each of the two protects when the other is lost.",
    contract=_CONTRACT,
)
def signed_without_key(subject: Subject) -> str:
    _secrets(subject)
    with offer(subject) as made:
        event = made.confirmed(0)
        _expect_refused(
            subject,
            tell(subject, event, api_key=None),
            "signed and without a key",
            advice="Check the key of every call, signed or not.",
        )
        _expect_nothing_done(subject, event)
    return "It was answered 401."
