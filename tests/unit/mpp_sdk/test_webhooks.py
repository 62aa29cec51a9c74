import base64
import json
from datetime import UTC, datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st
from standardwebhooks import Webhook

from mpp_sdk import clock, webhooks
from mpp_sdk.errors import Unauthenticated
from mpp_sdk.webhooks import new_signing_secret, sign, verify

SECRET = new_signing_secret()
OTHER = new_signing_secret()


def test_the_example_of_the_specification() -> None:
    headers = sign(
        "msg_p5jXN8AQM9LWM0D4loKWxJek",
        datetime.fromtimestamp(1614265330, UTC),
        b'{"test": 2432232314}',
        ["whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"],
    )
    assert headers == {
        "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
        "webhook-timestamp": "1614265330",
        "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    }


def test_the_reference_library_accepts_what_is_signed() -> None:
    body = json.dumps({"name": "Škofja Loka"}, ensure_ascii=False).encode()
    headers = sign("e1", clock.now(), body, [OTHER, SECRET])
    assert Webhook(SECRET).verify(body, headers) == {"name": "Škofja Loka"}
    assert Webhook(OTHER).verify(body, headers) == {"name": "Škofja Loka"}


def test_a_moment_with_another_offset_is_the_same_moment() -> None:
    utc = datetime(2026, 3, 1, 12, tzinfo=UTC)
    other = utc.astimezone(timezone(timedelta(hours=5, minutes=30)))
    assert sign("e1", utc, b"{}", [SECRET]) == sign("e1", other, b"{}", [SECRET])


@given(st.text(min_size=1), st.text(), st.integers(1, 3))
def test_what_is_signed_verifies(event_id: str, text: str, count: int) -> None:
    secrets = [new_signing_secret() for _ in range(count)]
    headers = sign(event_id, clock.now(), text.encode(), secrets)
    for secret in secrets:
        assert verify(headers, text.encode(), [secret]) == event_id


def test_header_names_are_of_any_case() -> None:
    headers = sign("e1", clock.now(), b"{}", [SECRET])
    assert verify({name.title(): value for name, value in headers.items()}, b"{}", [SECRET]) == "e1"


def test_either_of_two_live_secrets_will_do_on_both_sides() -> None:
    assert verify(sign("e1", clock.now(), b"{}", [SECRET]), b"{}", [OTHER, SECRET]) == "e1"
    assert verify(sign("e1", clock.now(), b"{}", [OTHER, SECRET]), b"{}", [SECRET]) == "e1"


@pytest.mark.parametrize("name", ["webhook-id", "webhook-timestamp", "webhook-signature"])
@pytest.mark.parametrize("value", [None, "", "x", "v1,", "v1,=", ",", "1e9", "-5", "9" * 30, "٣"])
def test_missing_or_wrong_headers_are_refused(name: str, value: str | None) -> None:
    headers = sign("e1", clock.now(), b"{}", [SECRET])
    if value is None:
        del headers[name]
    else:
        headers[name] = value
    with pytest.raises(Unauthenticated):
        verify(headers, b"{}", [SECRET])


@pytest.mark.parametrize("body", [b"{ }", b"", b"\xff\xfe"])
def test_another_body_is_refused(body: bytes) -> None:
    with pytest.raises(Unauthenticated):
        verify(sign("e1", clock.now(), b"{}", [SECRET]), body, [SECRET])


def test_another_secret_no_secret_and_another_version_are_refused() -> None:
    headers = sign("e1", clock.now(), b"{}", [SECRET])
    for secrets in ([OTHER], []):
        with pytest.raises(Unauthenticated):
            verify(headers, b"{}", secrets)
    headers["webhook-signature"] = headers["webhook-signature"].replace("v1,", "v2,")
    with pytest.raises(Unauthenticated):
        verify(headers, b"{}", [SECRET])


def test_old_and_future_requests_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    moment = datetime(2026, 3, 1, 12, tzinfo=UTC)
    headers = sign("e1", moment, b"{}", [SECRET])
    for seconds, accepted in ((-301, False), (-300, True), (0, True), (300, True), (301, False)):
        later = moment + timedelta(seconds=seconds)
        monkeypatch.setattr(webhooks, "now", lambda later=later: later)
        if accepted:
            verify(headers, b"{}", [SECRET])
        else:
            with pytest.raises(Unauthenticated):
                verify(headers, b"{}", [SECRET])
        verify(headers, b"{}", [SECRET], tolerance=timedelta(hours=1))


def test_nothing_is_signed_without_a_secret() -> None:
    with pytest.raises(ValueError, match="no secret"):
        sign("e1", clock.now(), b"{}", [])


def test_new_secrets_differ_and_have_256_bits() -> None:
    made = {new_signing_secret() for _ in range(100)}
    assert len(made) == 100
    for secret in made:
        assert secret.startswith("whsec_")
        assert len(base64.b64decode(secret.removeprefix("whsec_"), validate=True)) == 32
