"""What every state machine of the marketplace is written with: a table of states and actions."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Generic, TypeVar

from mpp_sdk.errors import IllegalTransition

S = TypeVar("S", bound=StrEnum)


@dataclass(frozen=True)
class Lifecycle(Generic[S]):
    """The states of one kind of thing, and the state that each action leads to.

    automatic has the actions that the marketplace takes by itself and that nobody can ask for.
    """

    kind: str
    steps: Mapping[S, Mapping[str, S]]
    automatic: frozenset[str] = frozenset()

    def after(self, state: S, action: str) -> S:
        """Return the state that an action leads to. Raises IllegalTransition."""
        try:
            return self.steps[state][action]
        except KeyError:
            raise IllegalTransition(self.kind, state, action, self.allowed(state)) from None

    def allowed(self, state: S) -> tuple[str, ...]:
        """Return the actions that somebody can ask for in a state."""
        return tuple(action for action in self.steps[state] if action not in self.automatic)

    def is_final(self, state: S) -> bool:
        """Return whether nothing leads out of a state."""
        return not self.steps[state]
