"""OAuth 2 client credentials, the other way to be let in."""

import base64
from urllib.parse import quote, urlencode

from mpp_sdk.conformance.model import NotShown
from mpp_sdk.conformance.notices import CONTRACT, Told
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.secrets import new_secret


@case(
    "NOTIFICATIONS-TOKEN-01",
    "A token got by client credentials is admitted as a key is",
    why="Companies whose rules want short-lived tokens send no keys.",
    contract=CONTRACT,
)
def token_is_admitted(subject: Subject) -> str:
    token = _token(subject)
    told = Told(subject)
    notice = told.consent("GRANTED", 0)
    for operation, body in (("test_connection", None), (notice.operation, dict(notice.body))):
        sample = subject.sample(subject.operation(operation)).changed(body=body)
        answer = subject.call(operation, sample, api_key=None, headers=_bearer(token))
        subject.expect_status(answer, 200)
    return "Two operations took the token."


@case(
    "NOTIFICATIONS-TOKEN-02",
    "A token does not refresh a key, and a wrong one is refused",
    why="Whoever steals a token for an hour would have a key for months.",
    contract=CONTRACT,
)
def token_is_limited(subject: Subject) -> str:
    token = _token(subject)
    answer = subject.call("refresh_api_key", api_key=None, headers=_bearer(token))
    subject.expect(
        answer.status in (401, 403),
        f"{answer} with a token, not 401.",
        advice="POST /apikey takes keys only, as `security` of the operation says.",
        exchange=answer,
    )
    for wrong in (new_secret("fxt"), token[:-1], token + "0", ""):
        refused = subject.call("test_connection", api_key=None, headers=_bearer(wrong))
        subject.expect_status(refused, 401)
    return "No key was issued, and wrong tokens were answered 401."


def _token(subject: Subject) -> str:
    client_id, secret = subject.credentials.client_id, subject.credentials.client_secret
    if client_id is None or secret is None:
        raise NotShown("Add `clientId` and `clientSecret` of the provider to the credentials.")

    def ask() -> str:
        pair = f"{quote(client_id, safe='')}:{quote(secret, safe='')}"
        answer = subject.send(
            "POST",
            _address(subject),
            body=urlencode({"grant_type": "client_credentials"}).encode(),
            headers={
                "Authorization": f"Basic {base64.b64encode(pair.encode()).decode()}",
                "Content-Type": "application/x-www-form-urlencoded",
                "Accept": "application/json",
            },
        )
        token = answer.fields().get("access_token")
        subject.demand(
            answer.status == 200 and isinstance(token, str),
            f"{answer}, and not with a token.",
            exchange=answer,
        )
        return str(token)

    return subject.once("token", ask)


def _address(subject: Subject) -> str:
    scheme = subject.contract.document["components"]["securitySchemes"]["oauth2"]
    return str(scheme["flows"]["clientCredentials"]["tokenUrl"])


def _bearer(token: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {token}"}
