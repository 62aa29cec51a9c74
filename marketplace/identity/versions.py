"""Asks the platforms which version of the EU-MP contract they speak, so that upgrades are noticed.

Each is asked once a day, and one that gave no answer an hour later. The integration set-up test
notes the same.
"""

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import timedelta
from uuid import UUID

from marketplace.core.environment import Environment
from marketplace.core.unit_of_work import unit_of_work
from marketplace.identity import repository
from marketplace.identity.rounds import Clients, call_due
from marketplace.identity.speaking import ASK_EVERY, CONTRACT
from mpp_sdk.client import CallFailed
from mpp_sdk.clock import now

ASK_AGAIN_AFTER = timedelta(hours=1)

_log = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Asked:
    """A platform that is being asked."""

    market_player_id: UUID
    base_url: str
    api_key: str = field(repr=False)


def ask_due_platforms(
    environment: Environment, stopping: Callable[[], bool] = lambda: False
) -> int:
    """Ask every platform whose time has come; return how many said what they speak.

    It calls one platform after the other, which may take their time, and goes on until stopping.
    """
    return call_due(environment, stopping, _claim, _ask)


def _claim(environment: Environment) -> _Asked | None:
    """Return a platform to ask now. Its next turn is put off, for the case that it gives no answer.

    Raises Unavailable when the key that is presented there cannot be decrypted.
    """
    moment = now()
    with unit_of_work(environment.engine):
        found = repository.platform_to_ask(moment)
        if found is None:
            return None
        platform, key = found
        repository.put_off_version(platform.market_player_id, moment + ASK_AGAIN_AFTER)
        return _Asked(
            platform.market_player_id,
            platform.base_url,
            environment.settings.secret_box.decrypt(key.encrypted_key),
        )


def _ask(environment: Environment, clients: Clients, asked: _Asked) -> bool:
    try:
        answer = clients(asked.base_url, asked.api_key).test_connection()
    except CallFailed as error:
        _log.info(
            "The platform of market player %s did not say which version it speaks: %s",
            asked.market_player_id,
            type(error).__name__,
        )
        return False
    if answer.contract != CONTRACT:
        return False
    moment = now()
    with unit_of_work(environment.engine):
        repository.note_version(
            asked.market_player_id,
            asked.base_url,
            answer.contract_version,
            moment,
            moment + ASK_EVERY,
        )
    return True
