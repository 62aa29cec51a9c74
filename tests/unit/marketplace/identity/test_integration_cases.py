"""The part of the set-up test that is the conformance kit's, at served platforms."""

import json
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from examples.aggregator import Aggregator
from marketplace.identity import integration
from marketplace.identity.integration import Outcome, Step, tried_cases
from marketplace.website.frame.rules import RULES
from mpp_sdk.conformance import Credentials, cases_of
from mpp_sdk.testing import ServedPlatform
from mpp_sdk.transport import AddressPolicy

OPEN = AddressPolicy(allow_private=True, allow_http=True)
IDS = [one.id for one in tried_cases()]
Layer = Callable[[ASGIApp], ASGIApp]


def came_of(platform: ServedPlatform[Aggregator]) -> integration.Tested:
    """Return what came of the test, by the key and the secrets that the platform knows."""
    with_secrets: Credentials = platform.credentials
    return integration.test_platform(
        platform.url, with_secrets.api_key, OPEN, timedelta(seconds=5), with_secrets.signing_secrets
    )


def cases(found: integration.Tested) -> dict[str, Step]:
    return {step.name: step for step in found.steps if step.title is not None}


@pytest.fixture
def platform(tmp_path: Path) -> Iterator[ServedPlatform[Aggregator]]:
    with ServedPlatform(Aggregator, tmp_path, rate_limit_failures=30) as served:
        yield served


def test_a_sound_platform_keeps_every_rule_that_is_tried(
    platform: ServedPlatform[Aggregator],
) -> None:
    found = came_of(platform)

    assert found.passed
    assert list(cases(found)) == IDS
    assert {step.outcome for step in cases(found).values()} <= {Outcome.PASSED, Outcome.SKIPPED}
    passed = [step for step in cases(found).values() if step.outcome is Outcome.PASSED]
    assert len(passed) >= len(IDS) - 2, [step.detail for step in found.steps]


def test_the_platform_is_left_as_it_was(platform: ServedPlatform[Aggregator]) -> None:
    came_of(platform)

    assert platform.platform.subscriptions.all() == []
    [key] = platform.platform.inbound_keys.all()
    assert key.valid_until is not None
    platform.restart()
    assert came_of(platform).passed  # by the same key


def test_it_does_not_use_up_the_wrong_keys_that_a_platform_lets_one_present(
    platform: ServedPlatform[Aggregator],
) -> None:
    found = cases(came_of(platform))
    again = came_of(platform)  # which may find them used up: then it leaves the platform alone

    assert found["ACCESS-KEY-03"].outcome is Outcome.PASSED
    assert again.passed
    left = {step.detail for step in again.steps if step.outcome is Outcome.SKIPPED}
    assert any("takes no more calls" in detail for detail in left)


def test_a_rule_that_is_broken_fails_the_test_with_what_to_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with ServedPlatform(without_cache_control, tmp_path) as platform:
        found = came_of(platform)

    step = cases(found)["HEADER-CACHE-01"]
    assert not found.passed
    assert step.outcome is Outcome.FAILED
    assert step.title == "No answer may be stored: `Cache-Control: no-store`"
    assert "Cache-Control" in step.detail
    assert step.advice
    assert step.to_json()["title"] == step.title


def test_what_the_platform_says_back_of_the_key_is_not_kept(tmp_path: Path) -> None:
    with ServedPlatform(echoing, tmp_path) as platform:
        found = came_of(platform)
        told = json.dumps([step.to_json() for step in found.steps])
        secrets = [platform.credentials.api_key, *platform.credentials.signing_secrets]

    assert not found.passed
    assert [secret for secret in secrets if secret in told] == []
    assert max(len(step.detail) for step in found.steps) <= 500


def test_it_ends_when_its_time_is_over(
    platform: ServedPlatform[Aggregator], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(integration, "KIT_SECONDS", 0.0)
    found = came_of(platform)

    assert found.passed
    assert {step.outcome for step in cases(found).values()} == {Outcome.SKIPPED}
    assert {step.detail for step in cases(found).values()} == {
        "The time for the whole test was over."
    }


def test_nothing_is_tried_where_the_connection_fails_already(
    platform: ServedPlatform[Aggregator],
) -> None:
    found = integration.test_platform(
        platform.url, "fxk_not-the-key", OPEN, timedelta(seconds=5), signing_secrets=()
    )

    assert not found.passed
    assert cases(found) == {}


def test_only_what_is_harmless_is_tried() -> None:
    harmless = {one.id for one in cases_of("eu-mp") if one.harmless}

    assert set(IDS) < harmless
    assert "BODY-SIZE-01" not in IDS


def test_people_read_the_words_of_the_kit_in_their_own_language() -> None:
    said = {name: title._args[0] for name, title in RULES.items()}

    assert said == {one.id: one.title for one in tried_cases()}


class _Layered(Aggregator):
    """An aggregator with something around it."""

    layer: Layer

    def app(self) -> ASGIApp:
        return self.layer(super().app())


def without_cache_control(*arguments: object) -> Aggregator:
    def layer(app: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            async def without(message: dict[str, object]) -> None:
                if message["type"] == "http.response.start":
                    headers = message["headers"]
                    assert isinstance(headers, list)
                    message["headers"] = [one for one in headers if one[0] != b"cache-control"]
                await send(message)

            await app(scope, receive, without)  # type: ignore[arg-type]

        return serve

    return _layered(layer, *arguments)


def echoing(*arguments: object) -> Aggregator:
    """Return a platform whose refusals name the key, and everything else at length."""

    def layer(app: ASGIApp) -> ASGIApp:
        async def serve(scope: Scope, receive: Receive, send: Send) -> None:
            headers = dict(scope.get("headers", []))
            key = headers.get(b"x-api-key", b"").decode("latin-1")
            if scope["type"] != "http" or scope["method"] == "GET" or "wrong_" in key:
                await app(scope, receive, send)
                return
            said = JSONResponse({"type": f"{key} " * 400, key: [key]}, status_code=400)
            said.headers["content-type"] = "application/problem+json"
            await said(scope, receive, send)

        return serve

    return _layered(layer, *arguments)


def _layered(layer: Layer, *arguments: object) -> Aggregator:
    platform = _Layered(*arguments)  # type: ignore[arg-type]
    platform.layer = layer
    return platform
