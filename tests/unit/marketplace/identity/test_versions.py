"""The marketplace knows which version of the EU-MP contract each platform speaks."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest

from marketplace.core.contract_version import ContractVersion
from marketplace.core.environment import Environment
from marketplace.core.etag import etag
from marketplace.core.unit_of_work import unit_of_work
from marketplace.identity import repository, service, versions
from marketplace.identity.directory import PlatformDirectory
from marketplace.identity.service import PlatformStatement
from marketplace.identity.speaking import judge, own_version
from marketplace.identity.tables import MarketPlayer, Platform

from .conftest import OPERATOR, AtWork, PlatformServer, Registered

KEY = "the-right-key-0123456789"
OWN = ContractVersion(3, 4, 5)


def says(platform: PlatformServer, version: str, contract: str = "eu-mp") -> None:
    platform.serve_test(
        f'{{"status":"AVAILABLE","contract":"{contract}","contractVersion":"{version}",'
        '"time":"2026-12-01T10:00:00Z"}'.encode()
    )


@pytest.fixture
def player_id(at_work: AtWork, player: Registered, platform: PlatformServer) -> UUID:
    registered: MarketPlayer = player[0]
    with at_work(OPERATOR):
        service.set_platform(registered.id, PlatformStatement(platform.base_url, KEY, False), None)
    return registered.id


def stored(environment: Environment, player_id: UUID) -> Platform:
    with unit_of_work(environment.engine):
        platform = repository.platform(player_id)
        assert platform is not None
        return platform


def make_due(environment: Environment, player_id: UUID) -> None:
    with unit_of_work(environment.engine):
        repository.put_off_version(player_id, datetime(2026, 1, 1, tzinfo=UTC))


def test_it_is_asked_at_once_and_then_once_a_day(
    environment: Environment, platform: PlatformServer, player_id: UUID
) -> None:
    directory = PlatformDirectory(environment)
    assert directory.connection(player_id).contract_version is None

    assert versions.ask_due_platforms(environment) == 1
    assert versions.ask_due_platforms(environment) == 0
    assert directory.connection(player_id).contract_version == ContractVersion(1, 0)
    known = stored(environment, player_id)
    assert known.contract_version_at is not None
    assert known.next_version_ask_at == known.contract_version_at + timedelta(days=1)

    says(platform, "1.1.0")
    make_due(environment, player_id)
    assert versions.ask_due_platforms(environment) == 1
    assert directory.connection(player_id).contract_version == ContractVersion(1, 1)


@pytest.mark.parametrize("trouble", ["down", "another contract", "no contract", "key refused"])
def test_what_is_known_stays_while_a_platform_does_not_say(
    environment: Environment, platform: PlatformServer, player_id: UUID, trouble: str
) -> None:
    versions.ask_due_platforms(environment)
    match trouble:
        case "down":
            platform.close()
        case "another contract":
            says(platform, "7.0.0", contract="metering")
        case "no contract":
            platform.serve_test(b"<html>")
        case "key refused":
            platform.keys = {"another-key"}
    make_due(environment, player_id)

    assert versions.ask_due_platforms(environment) == 0
    known = stored(environment, player_id)
    assert known.contract_version == "1.0.0"
    assert known.contract_version_at is not None
    assert known.next_version_ask_at is not None
    wait = known.next_version_ask_at - known.contract_version_at
    assert timedelta(hours=1) <= wait < timedelta(hours=2)
    assert versions.ask_due_platforms(environment) == 0


def test_whoever_has_left_is_not_asked(
    environment: Environment, at_work: AtWork, platform: PlatformServer, player_id: UUID
) -> None:
    with at_work(OPERATOR):
        service.deregister_market_player(player_id, "It left.", None)

    assert versions.ask_due_platforms(environment) == 0
    assert platform.calls == []


def test_the_set_up_test_notes_it(
    environment: Environment, at_work: AtWork, platform: PlatformServer, player_id: UUID
) -> None:
    says(platform, f"{own_version()}")
    with at_work(OPERATOR):
        test = service.test_platform(player_id)

    [said] = [step for step in test.steps if step["name"] == "test answered"]
    assert (said["outcome"], said["detail"]) == (
        "PASSED",
        f"The platform serves eu-mp {own_version()}.",
    )
    assert stored(environment, player_id).contract_version == str(own_version())
    assert versions.ask_due_platforms(environment) == 0, "it has just said so"


def test_it_is_no_edit_of_the_settings(
    environment: Environment, at_work: AtWork, player_id: UUID
) -> None:
    def tag() -> str:
        with at_work(OPERATOR):
            return etag(service.read_platform(player_id).platform)

    before = tag()
    versions.ask_due_platforms(environment)
    assert tag() == before


def test_another_address_is_another_platform(
    environment: Environment, at_work: AtWork, platform: PlatformServer, player_id: UUID
) -> None:
    versions.ask_due_platforms(environment)
    with at_work(OPERATOR):
        again = PlatformStatement(platform.base_url, None, False)
        service.set_platform(player_id, again, "*")
    assert stored(environment, player_id).contract_version == "1.0.0"

    with at_work(OPERATOR):
        moved = PlatformStatement(f"{platform.base_url}/moved", None, False)
        service.set_platform(player_id, moved, "*")
    moved_to = stored(environment, player_id)
    assert (moved_to.contract_version, moved_to.contract_version_at) == (None, None)
    assert moved_to.next_version_ask_at is None

    with unit_of_work(environment.engine):  # an answer of before that comes late
        moment = datetime.now(UTC)
        repository.note_version(player_id, platform.base_url, "1.0.0", moment, moment)
    assert stored(environment, player_id).contract_version is None


@pytest.mark.parametrize(
    ("said", "accepted", "advice"),
    [
        ("3.4.5", True, None),
        ("3.4.0", True, None),
        ("3.5.0", True, None),
        ("3.9.9-rc.1+build", True, None),
        ("3.3.9", True, None),
        ("3.2.9", True, "Bring the platform up to version 3.4 soon."),
        ("3.0.0", True, "Bring the platform up to version 3.4 soon."),
        ("2.9.0", False, "Serve version 3.4"),
        ("4.0.0", False, "Serve version 3.4"),
        ("new", True, "as it is written in info.version: 3.4.5"),
        ("3.4", True, "as it is written in info.version: 3.4.5"),
    ],
)
def test_a_version_is_judged_by_what_is_promised(
    said: str, accepted: bool, advice: str | None
) -> None:
    spoken = judge(said, OWN)

    assert spoken.accepted is accepted
    assert said in spoken.detail
    assert (spoken.advice is None) is (advice is None)
    assert advice is None or advice in (spoken.advice or "")


@pytest.mark.parametrize("said", ["0.9.0", "2.0.0"])
def test_another_major_version_fails_the_set_up_test(
    environment: Environment,
    at_work: AtWork,
    platform: PlatformServer,
    player_id: UUID,
    said: str,
) -> None:
    says(platform, said)
    with at_work(OPERATOR):
        test = service.test_platform(player_id)

    [failed] = [step for step in test.steps if step["outcome"] == "FAILED"]
    assert failed["name"] == "test answered"
    assert f"serves eu-mp {said}" in failed["detail"]
    assert "another major version" in failed["detail"]
    assert f"Serve version {own_version().series}" in failed["advice"]
    assert stored(environment, player_id).contract_version == said


def test_a_version_of_any_length_can_be_told(
    environment: Environment, at_work: AtWork, platform: PlatformServer, player_id: UUID
) -> None:
    says(platform, "9" * 500)
    versions.ask_due_platforms(environment)

    assert stored(environment, player_id).contract_version == "9" * 30
