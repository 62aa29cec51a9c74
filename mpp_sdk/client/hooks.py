"""Where a user's own code may look at calls as they are made."""

from collections.abc import Callable
from dataclasses import dataclass, field

from mpp_sdk.client.answer import Answer
from mpp_sdk.transport.errors import CallFailed


@dataclass
class Attempt:
    """One try of a call. What a hook changes in `headers` before it is sent, is sent.

    number counts from 1; route is the path as the contract has it (`/services/{serviceId}`), good
    for naming a metric. url, headers and body hold what is sent, with the credential: they are not
    in its `repr`, and should not go to a log.
    """

    method: str
    route: str
    number: int
    correlation_id: str
    url: str = field(repr=False)
    headers: dict[str, str] = field(repr=False)
    body: bytes | None = field(repr=False)


@dataclass(frozen=True)
class Hooks:
    """Functions that are called along with each call, those that are there.

    They run where the call is made, in an event loop too: they must not block. What they raise
    ends the call and goes to the caller.

    - before_send: before each try.
    - after_answer: after each answer, of success or not.
    - on_retry: before a try is repeated, with why and the wait in seconds.
    - on_error: when the call as a whole has failed, with what is raised then.
    """

    before_send: Callable[[Attempt], None] | None = None
    after_answer: Callable[[Attempt, Answer[bytes]], None] | None = None
    on_retry: Callable[[Attempt, CallFailed, float], None] | None = None
    on_error: Callable[[Attempt, CallFailed], None] | None = None


NO_HOOKS = Hooks()
"""Nothing is called."""
