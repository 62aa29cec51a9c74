"""Rounds of calls to platforms whose turn has come, one after the other."""

from collections.abc import Callable
from typing import TypeVar

from marketplace.core.environment import Environment, in_environment
from marketplace.identity.integration import EU_MP_BASE_PATH
from marketplace.identity.service import address_policy
from mpp_sdk.client import NO_RETRIES, api_key
from mpp_sdk.contracts.eu_mp.client import EuMpClient
from mpp_sdk.transport import GuardedSession

DueT = TypeVar("DueT")

Clients = Callable[[str, str], EuMpClient]
"""Gives the client of a platform, by its base URL and the key that is presented to it."""


def call_due(
    environment: Environment,
    stopping: Callable[[], bool],
    claim: Callable[[Environment], DueT | None],
    call: Callable[[Environment, Clients, DueT], bool],
) -> int:
    """Call each platform that `claim` gives until it gives none, or until stopping.

    Returns how many calls came to something. Nothing is tried again in a round: a platform that
    failed has its next turn, and others are due meanwhile.
    """
    seconds = environment.settings.request_timeout.total_seconds()
    done = 0
    with (
        in_environment(environment),
        GuardedSession(address_policy(), total_seconds=seconds) as session,
    ):

        def client(base_url: str, key: str) -> EuMpClient:
            return EuMpClient(
                base_url + EU_MP_BASE_PATH,
                session,
                api_key(key),
                timeout_s=seconds,
                retries=NO_RETRIES,
            )

        while not stopping() and (due := claim(environment)) is not None:
            done += call(environment, client, due)
    return done
