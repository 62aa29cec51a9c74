from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from marketplace.identity.domain import (
    MARKET_PLAYER,
    KeyLife,
    KeyPolicy,
    MarketPlayerState,
    after_issue,
    after_use,
    eic_check_character,
    is_eic_code,
    issue,
)
from mpp_sdk.errors import IllegalTransition

_ALPHABET = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ-"
_ACTIONS = ("activate", "suspend", "reinstate", "deregister")
_ALLOWED = {
    ("PENDING", "activate"): "ACTIVE",
    ("PENDING", "deregister"): "DEREGISTERED",
    ("ACTIVE", "suspend"): "SUSPENDED",
    ("ACTIVE", "deregister"): "DEREGISTERED",
    ("SUSPENDED", "reinstate"): "ACTIVE",
    ("SUSPENDED", "deregister"): "DEREGISTERED",
}


@pytest.mark.parametrize("state", MarketPlayerState)
@pytest.mark.parametrize("action", _ACTIONS)
def test_only_the_designed_steps_are_taken(state: MarketPlayerState, action: str) -> None:
    expected = _ALLOWED.get((state.value, action))
    if expected is None:
        with pytest.raises(IllegalTransition) as refused:
            MARKET_PLAYER.after(state, action)
        assert refused.value.state == state
        assert action not in refused.value.allowed
    else:
        assert MARKET_PLAYER.after(state, action) == expected


def test_known_eic_codes() -> None:
    assert is_eic_code("22XWATTPLUS----G")  # the example of ENTSO-E's reference manual
    assert not is_eic_code("22XWATTPLUS----X")
    assert not is_eic_code("22XWATTPLUS----")
    assert not is_eic_code("22xwattplus----g")


@given(st.text(_ALPHABET, min_size=15, max_size=15), st.data())
def test_a_change_of_one_character_is_noticed(body: str, data: st.DataObject) -> None:
    code = body + eic_check_character(body)
    if code.endswith("-"):
        assert not is_eic_code(code)  # such a code is never issued
        return
    assert is_eic_code(code)
    at = data.draw(st.integers(0, 15))
    other = data.draw(st.sampled_from(_ALPHABET).filter(lambda letter: letter != code[at]))
    assert not is_eic_code(code[:at] + other + code[at + 1 :])


_POLICY = KeyPolicy(
    validity=timedelta(days=90), overlap=timedelta(hours=24), grace=timedelta(seconds=60)
)
_START = datetime(2026, 1, 1, tzinfo=UTC)


@dataclass
class _Key:
    life: KeyLife
    expires_at: datetime


class KeyRefreshes(RuleBasedStateMachine):
    """A platform that refreshes its key, whose answers get lost now and then."""

    def __init__(self) -> None:
        super().__init__()
        self.moment = _START
        first = issue(_POLICY, self.moment)
        self.keys = [_Key(first, first.ends_at)]
        self.known = 0
        self.last_issue = self.moment

    @rule(lost=st.booleans())
    @precondition(lambda self: self._is_valid(self.known))
    def refresh(self, lost: bool) -> None:
        self._use(self.known)
        for key in self.keys:
            key.life = after_issue(key.life, key.expires_at, _POLICY, self.moment)
        new = issue(_POLICY, self.moment)
        self.keys.append(_Key(new, new.ends_at))
        self.last_issue = self.moment
        if not lost:
            self.known = len(self.keys) - 1

    @rule()
    @precondition(lambda self: self._is_valid(self.known))
    def call(self) -> None:
        self._use(self.known)

    @rule(passed=st.sampled_from([1, 59, 61, 3600, 23 * 3600, 25 * 3600, 40 * 24 * 3600]))
    def wait(self, passed: int) -> None:
        self.moment += timedelta(seconds=passed)

    def _use(self, index: int) -> None:
        key = self.keys[index]
        if key.life.first_used_at is None:
            key.life = replace(key.life, first_used_at=self.moment)
            for older in self.keys[:index]:
                if not older.life.superseded:
                    older.life = after_use(older.life, _POLICY, self.moment)

    def _is_valid(self, index: int) -> bool:
        return self.keys[index].life.is_valid(self.moment)

    @invariant()
    def the_newest_known_key_works_until_its_end_or_the_overlap_is_over(self) -> None:
        key = self.keys[self.known]
        is_newest = self.known == len(self.keys) - 1
        within_overlap = self.moment < self.last_issue + _POLICY.overlap
        if self.moment < key.expires_at and (is_newest or within_overlap):
            assert self._is_valid(self.known)

    @invariant()
    def no_key_outlives_its_end(self) -> None:
        for key in self.keys:
            assert key.life.ends_at <= key.expires_at

    @invariant()
    def keys_before_the_one_in_use_end_within_the_grace(self) -> None:
        used = [i for i, key in enumerate(self.keys) if key.life.first_used_at]
        for index in range(used[-1] if used else 0):
            first_use = self.keys[used[-1]].life.first_used_at
            assert first_use is not None
            assert self.keys[index].life.ends_at <= first_use + _POLICY.grace


TestKeyRefreshes = KeyRefreshes.TestCase
TestKeyRefreshes.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
