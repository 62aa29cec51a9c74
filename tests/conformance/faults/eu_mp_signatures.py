"""Faults of a platform with signatures."""

import json
from collections.abc import Mapping, Sequence
from datetime import timedelta

from mpp_sdk import clock, edge, webhooks
from mpp_sdk.errors import Unauthenticated
from tests.conformance.faults.registry import fault
from tests.conformance.served import Broken

_NAME = webhooks.SIGNATURE_HEADER
Headers = Mapping[str, str]
Secrets = Sequence[str]


@fault(
    "Signatures are not checked.",
    caught_by=(
        *("EU-MP-SIGN-01", "EU-MP-SIGN-02", "EU-MP-SIGN-03", "EU-MP-SIGN-04"),
        *("EU-MP-SIGN-05", "EU-MP-SIGN-06", "EU-MP-SIGN-07", "EU-MP-SIGN-09"),
    ),
)
def checks_no_signature(broken: Broken) -> None:
    broken.patch.setattr(edge, "verify", lambda headers, body, secrets: "")


@fault("A signature is checked where there is one.", caught_by=("EU-MP-SIGN-01",))
def takes_what_is_unsigned(broken: Broken) -> None:
    def verify(headers: Headers, body: bytes, secrets: Secrets) -> str:
        return webhooks.verify(headers, body, secrets) if _NAME in headers else ""

    broken.patch.setattr(edge, "verify", verify)


@fault("It is enough that a signature is there.", caught_by=("EU-MP-SIGN-02", "EU-MP-SIGN-03"))
def looks_for_a_signature_only(broken: Broken) -> None:
    def verify(headers: Headers, body: bytes, secrets: Secrets) -> str:
        if not all(headers.get(name) for name in (webhooks.ID_HEADER, _NAME)):
            raise Unauthenticated("The request is not signed.")
        return ""

    broken.patch.setattr(edge, "verify", verify)


@fault(
    "The event id of the body is taken for the one that was signed.", caught_by=("EU-MP-SIGN-04",)
)
def takes_any_webhook_id(broken: Broken) -> None:
    def verify(headers: Headers, body: bytes, secrets: Secrets) -> str:
        event_id = str(json.loads(body).get("eventId", headers.get(webhooks.ID_HEADER)))
        return webhooks.verify({**headers, webhooks.ID_HEADER: event_id}, body, secrets)

    broken.patch.setattr(edge, "verify", verify)


@fault("The body is not part of what is checked.", caught_by=("EU-MP-SIGN-03",))
def takes_any_body(broken: Broken) -> None:

    def verify(headers: Headers, body: bytes, secrets: Secrets) -> str:
        forged = b'"https://mpp.forger.example"'
        original = body.replace(forged, b'"https://mpp.crevillent.example"')
        return webhooks.verify(headers, original, secrets)

    broken.patch.setattr(edge, "verify", verify)


def _tolerating(broken: Broken, before: timedelta, ahead: timedelta) -> None:
    """Have what was signed so long before and ahead of now taken."""

    def verify(headers: Headers, body: bytes, secrets: Secrets) -> str:
        signed = float(headers.get(webhooks.TIMESTAMP_HEADER, "0"))
        age = timedelta(seconds=clock.now().timestamp() - signed)
        if not -ahead <= age <= before:
            raise Unauthenticated("The request was signed too long ago, or in the future.")
        return webhooks.verify(headers, body, secrets, timedelta(days=10_000))

    broken.patch.setattr(edge, "verify", verify)


_ALWAYS, _RIGHT = timedelta(days=10_000), webhooks.TOLERANCE


@fault("What was signed long ago is taken.", caught_by=("EU-MP-SIGN-05",))
def takes_old_signatures(broken: Broken) -> None:
    _tolerating(broken, _ALWAYS, _RIGHT)


@fault("What is signed for the future is taken.", caught_by=("EU-MP-SIGN-06",))
def takes_signatures_of_the_future(broken: Broken) -> None:
    _tolerating(broken, _RIGHT, _ALWAYS)


@fault("What was signed more than a minute ago is refused.", caught_by=("EU-MP-SIGN-05",))
def refuses_what_was_slow(broken: Broken) -> None:
    _tolerating(broken, timedelta(minutes=1), _RIGHT)


@fault("What is signed by a clock that is ahead is refused.", caught_by=("EU-MP-SIGN-06",))
def refuses_clocks_that_are_ahead(broken: Broken) -> None:
    _tolerating(broken, _RIGHT, timedelta(seconds=1))


@fault("A header that is no signature is an error of the server's.", caught_by=("EU-MP-SIGN-07",))
def stumbles_over_signatures(broken: Broken) -> None:
    def verify(headers: Headers, body: bytes, secrets: Secrets) -> str:
        for one in headers.get(_NAME, "").split(" "):
            _, encoded = one.split(",")
            if not encoded:
                raise ValueError("There is nothing to compare.")
        return webhooks.verify(headers, body, secrets)

    broken.patch.setattr(edge, "verify", verify)


@fault("The first of several signatures alone is looked at.", caught_by=("EU-MP-SIGN-08",))
def looks_at_the_first_signature(broken: Broken) -> None:
    def verify(headers: Headers, body: bytes, secrets: Secrets) -> str:
        first = headers.get(_NAME, "").split(" ")[0]
        return webhooks.verify({**headers, _NAME: first}, body, secrets)

    broken.patch.setattr(edge, "verify", verify)


@fault(
    "A signature of another version is refused, whatever is beside it.",
    caught_by=("EU-MP-SIGN-09",),
)
def refuses_other_versions(broken: Broken) -> None:
    def verify(headers: Headers, body: bytes, secrets: Secrets) -> str:
        if not all(one.startswith("v1,") for one in headers.get(_NAME, "").split(" ")):
            raise Unauthenticated("The version of the signature is unknown.")
        return webhooks.verify(headers, body, secrets)

    broken.patch.setattr(edge, "verify", verify)


@fault("The version of a signature is passed over.", caught_by=("EU-MP-SIGN-09",))
def passes_over_versions(broken: Broken) -> None:
    def verify(headers: Headers, body: bytes, secrets: Secrets) -> str:
        given = headers.get(_NAME, "").replace("v2,", "v1,")
        return webhooks.verify({**headers, _NAME: given}, body, secrets)

    broken.patch.setattr(edge, "verify", verify)


@fault(
    "The body is read and written again before its signature is checked.",
    caught_by=("EU-MP-SIGN-10", "EU-MP-BODY-06"),
)
def checks_what_it_has_written(broken: Broken) -> None:
    def verify(headers: Headers, body: bytes, secrets: Secrets) -> str:
        written = json.dumps(json.loads(body), ensure_ascii=False, separators=(",", ":"))
        return webhooks.verify(headers, written.encode(), secrets)

    broken.patch.setattr(edge, "verify", verify)


@fault("Of two secrets, the older alone is known.", caught_by=("EU-MP-SIGN-11",))
def knows_one_secret(broken: Broken) -> None:
    def verify(headers: Headers, body: bytes, secrets: Secrets) -> str:
        return webhooks.verify(headers, body, secrets[:1])

    broken.patch.setattr(edge, "verify", verify)


@fault("Every secret must have signed.", caught_by=("EU-MP-SIGN-11",))
def wants_every_signature(broken: Broken) -> None:
    def verify(headers: Headers, body: bytes, secrets: Secrets) -> str:
        for secret in secrets:
            webhooks.verify(headers, body, [secret])
        return ""

    broken.patch.setattr(edge, "verify", verify)
