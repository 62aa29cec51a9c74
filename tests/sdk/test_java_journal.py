"""What a platform in Java must not forget, over crashes; and what it refuses to start with."""

import json
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from mpp_sdk import clock
from mpp_sdk.contracts.eu_mp.models import PlatformRole, ServiceOfferConfirmed
from mpp_sdk.webhooks import new_signing_secret, sign
from tests.functional.sdk.support import confirmed
from tests.sdk.java.compiled import JavaSdk
from tests.sdk.java.platform import JavaPlatform
from tests.services.processes import CannotStart

SECRET, OTHER = new_signing_secret(), new_signing_secret()


@pytest.fixture(scope="module")
def platform(java_sdk: JavaSdk, tmp_path_factory: pytest.TempPathFactory) -> Iterator[JavaPlatform]:
    made = JavaPlatform(java_sdk, tmp_path_factory.mktemp("java"))
    try:
        made.start(signing_secret=SECRET)
        yield made
    finally:
        made.stop()


def send(platform: JavaPlatform, event: ServiceOfferConfirmed) -> str:
    """Return the outcome of a confirmation that the marketplace sends."""
    body = event.model_dump_json(by_alias=True, exclude_none=True).encode()
    answer = requests.post(
        f"{platform.url}/eu-mp/v1/service-offer/confirmed/{PlatformRole.REQUESTER}",
        data=body,
        headers={
            "X-API-Key": platform.inbound_key,
            "Content-Type": "application/json",
            **sign(str(event.event_id), clock.now(), body, [SECRET]),
        },
        timeout=30,
    )
    assert answer.status_code == 200, answer.text
    return str(answer.json()["outcome"])


def test_half_a_line_of_a_crash_is_dropped_and_the_rest_is_kept(platform: JavaPlatform) -> None:
    event = confirmed()
    assert send(platform, event) == "APPLIED"
    platform.kill()
    whole = platform.journal.read_bytes()
    platform.journal.write_bytes(whole + b'{"event/half": {"held"')
    platform.start_again()
    assert send(platform, event) == "DUPLICATE"
    assert send(platform, confirmed()) == "APPLIED"
    platform.restart()
    assert "event/half" not in platform.journal.read_text()
    assert send(platform, event) == "DUPLICATE"


def test_a_damaged_journal_is_not_started_with(platform: JavaPlatform) -> None:
    platform.kill()
    whole = platform.journal.read_bytes()
    first, _, rest = whole.partition(b"\n")
    platform.journal.write_bytes(first[:-3] + b"\n" + rest)
    try:
        with pytest.raises(CannotStart, match="is damaged at byte 0"):
            platform.start_again()
    finally:
        platform.journal.write_bytes(whole)
        platform.start_again()


def test_two_platforms_do_not_share_a_journal(
    platform: JavaPlatform, java_sdk: JavaSdk, tmp_path: Path
) -> None:
    second = JavaPlatform(java_sdk, tmp_path)
    with pytest.raises(CannotStart, match="is in use by another platform"):
        second.start(settings={"MPP_JOURNAL": str(platform.journal)})


def test_secrets_are_not_in_the_journal_and_its_files_are_the_owners_alone(
    platform: JavaPlatform,
) -> None:
    event = confirmed(key="fxb_the-key-that-nobody-else-may-read")
    send(platform, event)
    text = platform.journal.read_text()
    assert str(event.subscription_id) in text
    assert event.b2b.api_key not in text
    assert platform.inbound_key not in text
    for file in (platform.journal, platform.journal.with_name("platform.journal.key")):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_it_does_not_start_without_a_signing_secret(java_sdk: JavaSdk, tmp_path: Path) -> None:
    unsigned = JavaPlatform(java_sdk, tmp_path)
    with pytest.raises(CannotStart, match="Set MPP_SIGNING_SECRETS"):
        unsigned.start(settings={"MPP_SIGNING_SECRETS": ""})


def test_a_journal_of_much_garbage_is_written_anew(platform: JavaPlatform) -> None:
    event = confirmed()
    send(platform, event)
    platform.kill()
    with platform.journal.open("ab") as journal:
        for number in range(20_000):
            journal.write(json.dumps({"garbage": number}).encode() + b"\n")
    before = platform.journal.stat().st_size
    platform.start_again()
    assert platform.journal.stat().st_size < before / 10
    assert platform.recorded()["garbage"] == 19_999
    assert send(platform, event) == "DUPLICATE"
