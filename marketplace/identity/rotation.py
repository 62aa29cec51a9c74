"""Refreshes the API keys that the marketplace presents to platforms, before they expire.

The Idempotency-Key of a refresh is stored before the platform is called: when the answer is lost,
or this process dies, the same question is asked again and gets the same key. Nobody is locked out.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from marketplace.core import audit
from marketplace.core.environment import Environment
from marketplace.core.settings import Settings
from marketplace.core.unit_of_work import unit_of_work
from marketplace.identity import repository
from marketplace.identity.rounds import Clients, call_due
from marketplace.identity.tables import PlatformKey
from mpp_sdk.client import ProblemError, UnexpectedAnswer
from mpp_sdk.clock import now
from mpp_sdk.contracts.eu_mp.models import IssuedApiKey
from mpp_sdk.errors import Unavailable
from mpp_sdk.ids import new_id

_log = logging.getLogger(__name__)

_FIRST_DELAY = timedelta(seconds=30)
_LONGEST_DELAY = timedelta(hours=1)
_MISMATCH = 422


@dataclass(frozen=True)
class _Refresh:
    """A refresh that is under way."""

    market_player_id: UUID
    refresh_id: UUID
    base_url: str
    api_key: str


def refresh_due_keys(environment: Environment, stopping: Callable[[], bool] = lambda: False) -> int:
    """Refresh every key whose time has come; return how many platforms gave a new one.

    It calls one platform after the other, which may take their time, and goes on until stopping.
    """
    return call_due(environment, stopping, _claim, _refresh)


def _claim(environment: Environment) -> _Refresh | None:
    """Return a refresh to do now. Its next turn is put off, for the case that nothing comes of it.

    Raises Unavailable when the present key cannot be decrypted.
    """
    moment = now()
    with unit_of_work(environment.engine):
        key = repository.platform_key_to_refresh(moment)
        if key is None:
            return None
        platform = repository.platform(key.market_player_id)
        if platform is None:
            raise RuntimeError("A platform's key has no platform")
        key.refresh_id = key.refresh_id or new_id()
        key.next_refresh_at = moment + _delay(key.failures)
        key.failures += 1
    return _Refresh(
        key.market_player_id,
        key.refresh_id,
        platform.base_url,
        environment.settings.secret_box.decrypt(key.encrypted_key),
    )


def _delay(failures: int) -> timedelta:
    return min(_LONGEST_DELAY, _FIRST_DELAY * float(2 ** min(failures, 10)))


def _refresh(environment: Environment, clients: Clients, refresh: _Refresh) -> bool:
    client = clients(refresh.base_url, refresh.api_key)
    try:
        issued = client.refresh_api_key(idempotency_key=str(refresh.refresh_id))
    except ProblemError as error:
        _log.warning(
            "The platform of market player %s refused to refresh its API key: %s",
            refresh.market_player_id,
            error,
        )
        if error.status == _MISMATCH:
            _ask_anew(environment, refresh)
        return False
    except (Unavailable, UnexpectedAnswer) as error:
        _log.warning(
            "The platform of market player %s gave no new API key: %s",
            refresh.market_player_id,
            type(error).__name__,
        )
        return False
    return _store(environment, refresh, issued)


def _store(environment: Environment, refresh: _Refresh, issued: IssuedApiKey) -> bool:
    with unit_of_work(environment.engine):
        key = _still(refresh)
        if key is None:
            return False
        moment = now()
        key.encrypted_key = environment.settings.secret_box.encrypt(issued.api_key)
        key.obtained_at = moment
        key.valid_until = issued.valid_until
        key.refresh_id = None
        key.failures = 0
        key.next_refresh_at = next_refresh(environment.settings, moment, issued.valid_until)
        audit.record(
            "Platform",
            refresh.market_player_id,
            "refresh-key",
            market_player_id=refresh.market_player_id,
        )
    return True


def _ask_anew(environment: Environment, refresh: _Refresh) -> None:
    """Give up an Idempotency-Key that the platform will not answer any more."""
    with unit_of_work(environment.engine):
        key = _still(refresh)
        if key is not None:
            key.refresh_id = None


def _still(refresh: _Refresh) -> PlatformKey | None:
    """Return the key if it is still the one that was to be refreshed, locked."""
    key = repository.platform_key(refresh.market_player_id, for_update=True)
    return key if key is not None and key.refresh_id == refresh.refresh_id else None


def next_refresh(settings: Settings, obtained_at: datetime, valid_until: datetime) -> datetime:
    """Return when a key should be refreshed: before its end by the margin that is set.

    A key that lives shorter than twice the margin is refreshed at half its life.
    """
    half = obtained_at + (valid_until - obtained_at) / 2
    due = max(valid_until - settings.api_key_refresh_before, half)
    if settings.api_key_refresh_interval is not None:
        due = min(due, obtained_at + settings.api_key_refresh_interval)
    return due
