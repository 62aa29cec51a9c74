"""The keys that the marketplace presents: refreshed in time, whatever gets lost on the way."""

import json
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler
from uuid import UUID

import pytest

from marketplace.core.environment import Environment
from marketplace.core.settings import Settings
from marketplace.core.unit_of_work import unit_of_work
from marketplace.identity import repository, rotation, service
from marketplace.identity.directory import PlatformDirectory
from marketplace.identity.tables import MarketPlayer
from mpp_sdk.errors import Unavailable

from .conftest import OPERATOR, AtWork, PlatformServer, Registered

_FIRST = "the-right-key-0123456789"


class Issuer:
    """Answers `POST /apikey` as the EU-MP contract says: the same key for the same question."""

    def __init__(self, platform: PlatformServer) -> None:
        self.lose_answers = 0
        self.refuse_with: int | None = None
        self.questions: list[str] = []
        self.issued: dict[str, str] = {}
        self._platform = platform
        platform.answers["/eu-mp/v1/apikey"] = self._answer

    def _answer(self, request) -> tuple[int, bytes]:  # type: ignore[no-untyped-def]
        question = request.headers["Idempotency-Key"]
        self.questions.append(question)
        if self.refuse_with is not None:
            return self.refuse_with, b"{}"
        key = self.issued.setdefault(question, f"fxk_issued-by-the-platform-{len(self.issued)}")
        self._platform.keys.add(key)
        if self.lose_answers:
            self.lose_answers -= 1
            return 0, b""
        now = datetime.now(UTC)
        body = {
            "apiKey": key,
            "validFrom": now.isoformat(),
            "validUntil": (now + timedelta(days=90)).isoformat(),
            "previousKeyValidUntil": (now + timedelta(days=1)).isoformat(),
        }
        return 200, json.dumps(body).encode()


@pytest.fixture
def player_id(at_work: AtWork, player: Registered, platform: PlatformServer) -> UUID:
    registered: MarketPlayer = player[0]
    with at_work(OPERATOR):
        statement = service.PlatformStatement(platform.base_url, _FIRST, False)
        service.set_platform(registered.id, statement, None)
    return registered.id


def make_due(environment: Environment, player_id: UUID) -> None:
    with unit_of_work(environment.engine):
        key = repository.platform_key(player_id)
        assert key is not None
        key.next_refresh_at = datetime(2026, 1, 1, tzinfo=UTC)


def test_the_first_key_is_replaced_at_once_and_then_left_alone(
    environment: Environment, platform: PlatformServer, player_id: UUID
) -> None:
    issuer = Issuer(platform)
    directory = PlatformDirectory(environment)
    before = directory.connection(player_id)
    assert before.api_key == _FIRST
    assert len(before.signing_secrets) == 1
    assert _FIRST not in repr(before)
    assert rotation.refresh_due_keys(environment) == 1
    assert directory.connection(player_id).api_key == next(iter(issuer.issued.values()))
    assert rotation.refresh_due_keys(environment) == 0
    make_due(environment, player_id)
    assert rotation.refresh_due_keys(environment) == 1
    assert len(issuer.issued) == 2


def test_a_lost_answer_is_asked_for_again_with_the_same_key(
    environment: Environment, platform: PlatformServer, player_id: UUID
) -> None:
    issuer = Issuer(platform)
    issuer.lose_answers = 2
    directory = PlatformDirectory(environment)
    for _ in range(2):
        assert rotation.refresh_due_keys(environment) == 0
        assert directory.connection(player_id).api_key == _FIRST
        assert rotation.refresh_due_keys(environment) == 0  # not before its time
        make_due(environment, player_id)
    assert len(issuer.questions) == 2
    assert rotation.refresh_due_keys(environment) == 1
    assert len(set(issuer.questions)) == 1
    assert directory.connection(player_id).api_key == issuer.issued[issuer.questions[0]]


def test_a_question_that_the_platform_will_not_answer_is_given_up(
    environment: Environment, platform: PlatformServer, player_id: UUID
) -> None:
    issuer = Issuer(platform)
    issuer.refuse_with = 422
    assert rotation.refresh_due_keys(environment) == 0
    issuer.refuse_with = None
    make_due(environment, player_id)
    assert rotation.refresh_due_keys(environment) == 1
    assert len(set(issuer.questions)) == 2


def test_a_key_that_was_stated_meanwhile_is_not_overwritten(
    environment: Environment,
    platform: PlatformServer,
    player_id: UUID,
    at_work: AtWork,
) -> None:
    issuer = Issuer(platform)
    answer = platform.answers["/eu-mp/v1/apikey"]

    def meanwhile(request: BaseHTTPRequestHandler) -> tuple[int, bytes]:
        with at_work(OPERATOR):
            service.set_platform(
                player_id,
                service.PlatformStatement(platform.base_url, "stated-meanwhile-0123", False),
                "*",
            )
        platform.answers["/eu-mp/v1/apikey"] = lambda _: (503, b"{}")
        return answer(request)

    platform.answers["/eu-mp/v1/apikey"] = meanwhile
    assert rotation.refresh_due_keys(environment) == 0
    assert PlatformDirectory(environment).connection(player_id).api_key == "stated-meanwhile-0123"
    assert len(issuer.issued) == 1


def test_a_dead_platform_is_asked_ever_more_seldom(
    environment: Environment, platform: PlatformServer, player_id: UUID
) -> None:
    platform.close()
    waits = []
    for _ in range(10):
        make_due(environment, player_id)
        before = datetime.now(UTC)
        assert rotation.refresh_due_keys(environment) == 0
        with unit_of_work(environment.engine, read_only=True):
            key = repository.platform_key(player_id)
        assert key is not None
        waits.append((key.next_refresh_at - before).total_seconds())
    assert waits[0] == pytest.approx(30, abs=3)
    assert [round(wait) for wait in waits] == sorted(round(wait) for wait in waits)
    assert waits[-1] == pytest.approx(3600, abs=3)


def test_there_is_no_connection_without_settings(
    environment: Environment,
    player: Registered,
) -> None:
    with pytest.raises(Unavailable):
        PlatformDirectory(environment).connection(player[0].id)


def test_rotated_signing_secrets_overlap(
    environment: Environment,
    platform: PlatformServer,
    player_id: UUID,
    at_work: AtWork,
) -> None:
    directory = PlatformDirectory(environment)
    (first,) = directory.connection(player_id).signing_secrets
    with at_work(OPERATOR):
        statement = service.PlatformStatement(platform.base_url, None, True)
        state = service.set_platform(player_id, statement, "*")
    assert directory.connection(player_id).signing_secrets == (state.signing_secret, first)


@pytest.mark.parametrize(
    ("days_valid", "interval", "due_after_days"),
    [(90, None, 76), (20, None, 10), (1, None, 0.5), (90, 7, 7), (2, 7, 1)],
)
def test_when_a_key_is_refreshed(
    days_valid: int, interval: int | None, due_after_days: float
) -> None:
    settings = Settings(api_key_refresh_interval=timedelta(days=interval) if interval else None)
    start = datetime(2026, 1, 1, tzinfo=UTC)
    due = rotation.next_refresh(settings, start, start + timedelta(days=days_valid))
    assert due == start + timedelta(days=due_after_days)
