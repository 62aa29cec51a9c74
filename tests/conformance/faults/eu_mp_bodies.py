"""Faults of a platform with what bodies may hold."""

import json
from collections.abc import Callable
from typing import Any
from unicodedata import normalize

from mpp_sdk import edge
from tests.conformance.altering import Answered, Asked, altering, refusal
from tests.conformance.faults.eu_mp_recovery import Item, listing
from tests.conformance.faults.registry import fault
from tests.conformance.served import Broken


def _refusing(broken: Broken, status: int, wanted: Callable[[Asked], bool]) -> None:
    def ask(asked: Asked) -> Answered | None:
        return refusal(status) if asked.method == "POST" and wanted(asked) else None

    broken.wrap(altering(ask))


def _texts(value: Any) -> list[str]:
    match value:
        case dict():
            return [text for inner in value.values() for text in _texts(inner)]
        case list():
            return [text for inner in value for text in _texts(inner)]
        case str():
            return [value]
        case _:
            return []


@fault("An unknown property is refused.", caught_by=("EU-MP-BODY-01",))
def refuses_unknown_properties(broken: Broken) -> None:
    _refusing(broken, 400, lambda asked: "xLater" in asked.fields)


@fault("An unknown property inside of the terms is refused.", caught_by=("EU-MP-BODY-01",))
def refuses_unknown_properties_inside(broken: Broken) -> None:
    _refusing(broken, 400, lambda asked: "xLater" in asked.fields.get("terms", {}))


def _listing_texts(broken: Broken, change: Callable[[str], str]) -> None:
    """Change each text of what is listed."""

    def changed(items: list[Item]) -> list[Item]:
        for item in items:
            item["terms"]["text"] = change(item["terms"]["text"])
            for name in ("provider", "requester"):
                item[name]["name"] = change(item[name]["name"])
            if "reason" in item:
                item["reason"] = change(item["reason"])
        return items

    listing(broken, changed, "/service-offers")


@fault("Texts are kept in Latin-1.", caught_by=("EU-MP-BODY-02", "EU-MP-BODY-03"))
def keeps_latin_1(broken: Broken) -> None:
    _listing_texts(broken, lambda text: text.encode("latin-1", "replace").decode("latin-1"))


@fault("Texts are composed anew (NFC).", caught_by=("EU-MP-BODY-02",))
def composes_texts(broken: Broken) -> None:
    _listing_texts(broken, lambda text: normalize("NFC", text))


@fault("Texts are escaped for HTML where they are kept.", caught_by=("EU-MP-BODY-02",))
def escapes_texts(broken: Broken) -> None:
    _listing_texts(broken, lambda text: text.replace("&", "&amp;").replace("<", "&lt;"))


@fault(
    "A character beyond 16 bits is an error of the server's.",
    caught_by=("EU-MP-BODY-02", "EU-MP-BODY-03", "EU-MP-SIGN-10"),
)
def stumbles_over_emoji(broken: Broken) -> None:
    def wanted(asked: Asked) -> bool:
        return any(ord(one) > 0xFFFF for text in _texts(asked.fields) for one in text)

    _refusing(broken, 500, wanted)


@fault("A reason is measured in units of UTF-16.", caught_by=("EU-MP-BODY-03",))
def counts_utf_16(broken: Broken) -> None:
    def wanted(asked: Asked) -> bool:
        return len(asked.fields.get("reason", "").encode("utf-16-le")) > 2000

    _refusing(broken, 400, wanted)


def _unsigned(broken: Broken) -> None:
    """Have signatures passed over, for a fault that writes bodies anew."""
    broken.patch.setattr(edge, "verify", lambda headers, body, secrets: "")


@fault("A reason that is too long is cut.", caught_by=("EU-MP-BODY-03",))
def cuts_reasons(broken: Broken) -> None:
    def ask(asked: Asked) -> None:
        if "reason" in asked.fields:
            asked.write(reason=asked.fields["reason"][:1000])

    _unsigned(broken)
    broken.wrap(altering(ask))


@fault("Bodies of more than 16 KiB are not read.", caught_by=("EU-MP-BODY-04", "EU-MP-BODY-05"))
def reads_small_bodies_only(broken: Broken) -> None:
    _refusing(broken, 413, lambda asked: len(asked.body) > 16 * 1024)


@fault("Terms are cut to 4,000 characters.", caught_by=("EU-MP-BODY-04",))
def cuts_terms(broken: Broken) -> None:
    _listing_texts(broken, lambda text: text[:4000])


@fault("At most 100 points of delivery are taken at once.", caught_by=("EU-MP-BODY-05",))
def takes_few_points(broken: Broken) -> None:
    _refusing(broken, 400, lambda asked: len(asked.fields.get("podIds", ())) > 100)


@fault(
    "More points of delivery than the contract allows are taken, and some twice.",
    caught_by=("EU-MP-BODY-05",),
)
def takes_any_points(broken: Broken) -> None:
    def ask(asked: Asked) -> None:
        if "podIds" in asked.fields:
            asked.write(podIds=list(dict.fromkeys(asked.fields["podIds"]))[:1000])

    _unsigned(broken)
    broken.wrap(altering(ask))


@fault("The event id must be the first property of the body.", caught_by=("EU-MP-BODY-06",))
def wants_an_order_of_properties(broken: Broken) -> None:
    def wanted(asked: Asked) -> bool:
        return bool(asked.fields) and next(iter(asked.fields)) not in ("eventId", "since")

    _refusing(broken, 400, wanted)


@fault("Escapes in JSON are not understood.", caught_by=("EU-MP-BODY-06", "EU-MP-SIGN-10"))
def understands_no_escapes(broken: Broken) -> None:
    _refusing(broken, 400, lambda asked: b"\\u" in asked.body)


@fault("A price needs an amount, also where the service is free.", caught_by=("EU-MP-BODY-07",))
def wants_an_amount(broken: Broken) -> None:
    def wanted(asked: Asked) -> bool:
        terms = asked.fields.get("terms")
        return terms is not None and "amount" not in terms.get("price", {"amount": 0})

    _refusing(broken, 400, wanted)


@fault("A body is not read as UTF-8.", caught_by=("EU-MP-BODY-02",))
def reads_bytes_as_latin_1(broken: Broken) -> None:
    def ask(asked: Asked) -> None:
        if asked.method == "POST" and asked.body:
            read = json.loads(asked.body.decode("latin-1"))
            asked.body = json.dumps(read).encode()

    _unsigned(broken)
    broken.wrap(altering(ask))
