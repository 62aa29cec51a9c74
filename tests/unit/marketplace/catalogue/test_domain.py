import string

import pytest
from hypothesis import given
from hypothesis import strategies as st

from marketplace.catalogue.domain import VERSION, VersionState, fold, search_words
from mpp_sdk.errors import IllegalTransition

ACTIONS = ["edit", "delete", "publish", "request", "deprecate", "withdraw"]
ALLOWED = {
    ("DRAFT", "edit"): "DRAFT",
    ("DRAFT", "delete"): "DRAFT",
    ("DRAFT", "publish"): "PUBLISHED",
    ("PUBLISHED", "request"): "PUBLISHED",
    ("PUBLISHED", "deprecate"): "DEPRECATED",
    ("PUBLISHED", "withdraw"): "WITHDRAWN",
    ("DEPRECATED", "withdraw"): "WITHDRAWN",
}


@pytest.mark.parametrize("state", list(VersionState))
@pytest.mark.parametrize("action", ACTIONS)
def test_every_state_and_action(state: VersionState, action: str) -> None:
    expected = ALLOWED.get((state.value, action))
    if expected is None:
        with pytest.raises(IllegalTransition):
            VERSION.after(state, action)
    else:
        assert VERSION.after(state, action) == expected


def test_case_and_accents_make_no_difference() -> None:
    assert fold("Données de COMPTAGE, à l'heure (IEC-62325)") == [
        "donnees",
        "de",
        "comptage",
        "a",
        "l",
        "heure",
        "iec",
        "62325",
    ]


@given(st.text())
def test_whatever_is_searched_for_only_letters_and_digits_come_out(text: str) -> None:
    words = search_words(text)
    assert len(words) <= 16
    for word in words:
        assert 1 <= len(word) <= 64
        assert not set(word) & set(string.punctuation + string.whitespace + "\x00")
