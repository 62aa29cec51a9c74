"""Whether bodies are taken as JSON has them: more than is known, in every script, and large."""

import json
from collections.abc import Mapping
from typing import Any

from mpp_sdk import webhooks
from mpp_sdk.conformance.held import held_offer
from mpp_sdk.conformance.offers import (
    REQUEST_PODS,
    Event,
    demand_offered,
    demand_outcome,
    offer,
    tell,
)
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.ids import new_id

_CONTRACT = "eu-mp"
_TERMS_CHARACTERS = 20_000
_REASON_CHARACTERS = 1_000
_PODS = 1_000
_TOLERATE = "Ignore properties that you do not know, at every level of the body."
_UTF_8 = "Read and write UTF-8 everywhere, the database included, and change no text."
_TEXTS = {
    "accents": "Energía de Crevillent, Łódź, Ødegård",
    "accents that are combined": "Energi\u0301a",
    "Greek and Cyrillic": "Ενέργεια Енергія",
    "Arabic and Hebrew": "طاقة \u202bשמש\u202c",
    "Chinese and Japanese": "能源 エネルギー",
    "emoji": "⚡🔋👩🏽\u200d🔧🇪🇸",
    "what escapes": "\"quoted\" \\ / <b>&amp;</b> 'x' %s {0} ${y}",
    "what separates lines": "one\ntwo\r\nthree\u2028four\tfive",
    "beyond 16 bits": "\U0001d508\U0001d52b \U0010fffd",
}


@case(
    "EU-MP-BODY-01",
    "Properties that are unknown are ignored, at every level",
    why="The next minor version adds some, and must not stop the platforms of today.",
    contract=_CONTRACT,
)
def unknown_properties(subject: Subject) -> str:
    with offer(subject) as made:
        for event in (made.confirmed(0), made.suspended(10), made.resumed(20), made.canceled(30)):
            answer = tell(subject, event, body=_with_more(dict(event.body)))
            subject.expect_status(answer, 200, advice=_TOLERATE)
    return "Events with unknown properties at every level were taken."


def _with_more(value: Any) -> Any:
    """Return a body with properties that no version has, in every object of it."""
    if isinstance(value, Mapping):
        more = {"xLater": {"nested": [1, None, "x"]}, "x-later": None, "ñ": True}
        return {name: _with_more(inner) for name, inner in value.items()} | more
    if isinstance(value, list):
        return [_with_more(inner) for inner in value]
    return value


@case(
    "EU-MP-BODY-02",
    "Texts are kept letter by letter, in every script",
    why="A company's name that comes back with question marks is another company's.",
    contract=_CONTRACT,
)
def every_script(subject: Subject) -> str:
    with offer(subject) as made:
        text = "\n".join(_TEXTS.values())
        confirmed = made.confirmed(0)
        body = dict(confirmed.body)
        changed = {
            "terms": {**body["terms"], "text": text},
            "provider": {**body["provider"], "name": _TEXTS["emoji"]},
            "requester": {**body["requester"], "name": _TEXTS["Arabic and Hebrew"]},
        }
        made.tell(confirmed.changed(**changed))
        made.tell(made.suspended(10, reason=_TEXTS["what escapes"] + _TEXTS["emoji"]))
        held = held_offer(subject, made.id)
        if held is not None:
            _expect_text(subject, "terms", held.get("terms", {}).get("text"), text)
            for name in ("provider", "requester"):
                _expect_text(subject, name, held.get(name, {}).get("name"), changed[name]["name"])
            if "reason" in held:
                reason = _TEXTS["what escapes"] + _TEXTS["emoji"]
                _expect_text(subject, "reason", held["reason"], reason)
    return f"Texts of {len(_TEXTS)} kinds were taken."


def _as_event(subject: Subject, event: Event, text: str) -> Mapping[str, str]:
    """Return the headers that sign a body that the kit has written itself."""
    secrets = subject.credentials.signing_secrets
    if not secrets:
        return {}
    return webhooks.sign(str(event.id), subject.now(), text.encode(), secrets)


def _expect_text(subject: Subject, name: str, told: object, wanted: str) -> None:
    subject.expect(
        told == wanted, f"The text in {name} is told as {told!r}, not {wanted!r}.", advice=_UTF_8
    )


@case(
    "EU-MP-BODY-03",
    "The longest reason that the contract allows is taken, counted in characters",
    why="An emoji is one character and two units of Java and JavaScript: half would be refused.",
    contract=_CONTRACT,
)
def longest_reason(subject: Subject) -> str:
    with offer(subject) as made:
        made.tell(made.confirmed(0))
        longest = "⚡🔋" * (_REASON_CHARACTERS // 2)
        event = made.suspended(10, reason=longest + "🔋")
        answer = tell(subject, event)
        subject.expect_status(answer, 400, advice="A reason has at most 1,000 characters.")
        made.tell(event.changed(reason=longest))
        held = made.expect_state("SUSPENDED")
        if "reason" in held:
            _expect_text(subject, "reason", held["reason"], longest)
    return "1,000 characters were taken and 1,001 were not."


@case(
    "EU-MP-BODY-04",
    "Terms of 20,000 characters are taken and kept",
    why="Agreements are long; a confirmation that is refused for it never becomes a subscription.",
    contract=_CONTRACT,
)
def long_terms(subject: Subject) -> str:
    with offer(subject) as made:
        confirmed = made.confirmed(0)
        text = ("# Terms\n" + "§ Größe 🔋. " * _TERMS_CHARACTERS)[:_TERMS_CHARACTERS]
        made.tell(confirmed.changed(terms={**confirmed.body["terms"], "text": text}))
        held = held_offer(subject, made.id)
        if held is not None:
            told = str(held.get("terms", {}).get("text"))
            subject.expect(
                told == text,
                f"Of {len(text)} characters, {len(told)} are told, or others.",
                advice="Give the terms a column without a limit.",
            )
    return f"{_TERMS_CHARACTERS} characters were taken."


@case(
    "EU-MP-BODY-05",
    "1,000 points of delivery in one event are taken; one more, or one twice, is refused",
    why="The marketplace sends as many as the contract allows, and counts on them all being there.",
    contract=_CONTRACT,
)
def many_points(subject: Subject) -> str:
    demand_offered(subject, REQUEST_PODS)
    with offer(subject) as made:
        made.tell(made.confirmed(0))
        pods = [f"ES002100000000{number:04}XX.{'a' * 39}" for number in range(_PODS + 1)]
        made.tell(made.points_requested(10, pods[:_PODS]))
        for wrong in (pods, [pods[0], pods[0]]):
            answer = tell(subject, made.points_requested(20, wrong))
            subject.expect_status(answer, 400, advice="Check maxItems and uniqueItems of podIds.")
    return "1,000 were taken."


@case(
    "EU-MP-BODY-06",
    "JSON is taken however it is written: spaces, escapes, the order of its properties",
    why="Each language writes JSON in another way; the marketplace's own may change.",
    contract=_CONTRACT,
)
def other_json(subject: Subject) -> str:
    with offer(subject) as made:
        confirmed = made.confirmed(0)
        turned = {name: confirmed.body[name] for name in reversed(list(confirmed.body))}
        text = json.dumps(turned, indent="\t", ensure_ascii=True).replace("/", "\\/")
        answer = tell(
            subject, confirmed, body=text.encode(), headers=_as_event(subject, confirmed, text)
        )
        demand_outcome(subject, answer, confirmed, "APPLIED")
        suspended = made.suspended(10, reason="\u00e9")
        text = json.dumps(suspended.body).replace('"reason"', '"re\\u0061son"')
        answer = tell(
            subject, suspended, body=text.encode(), headers=_as_event(subject, suspended, text)
        )
        demand_outcome(subject, answer, suspended, "APPLIED")
        held = made.expect_state("SUSPENDED")
        if "reason" in held:
            _expect_text(subject, "reason", held["reason"], "é")
    return "JSON written in other ways was taken."


@case(
    "EU-MP-BODY-07",
    "What the contract does not require may be there or not",
    why="A free service without an end looks different from one that is paid for a year.",
    contract=_CONTRACT,
)
def optional_properties(subject: Subject) -> str:
    with offer(subject) as bare, offer(subject) as full:
        made = bare.confirmed(0)
        minimal = {
            "price": {"model": "FREE"},
            "validity": {"start": made.body["occurredAt"]},
        }
        bare.tell(made.changed(terms={**made.body["terms"], **minimal}))
        made = full.confirmed(0, supersedes=str(new_id()))
        period = {"start": made.body["occurredAt"], "end": "2126-12-01T00:00:00+01:00"}
        price = {"model": "PER_POD", "amount": "0.250000", "currency": "EUR", "interval": "P30D"}
        terms = {
            **made.body["terms"],
            "price": price,
            "validity": period,
            "interimStatusInterval": "P1DT12H30M5S",
        }
        provider = {**made.body["provider"], "eicCode": "18XCREVILLENT--2", "roles": []}
        full.tell(made.changed(terms=terms, provider=provider))
        full.tell(full.canceled(10, supersededBy=str(new_id())))
    return "Confirmations with everything and with the least were taken."
