"""The reader takes what every reader takes, and raises nothing but its own error."""

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mpp_sdk.errors import InvalidInput
from mpp_sdk.web.strict_json import MAX_INTEGER, read_json

TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-MAX_INTEGER, MAX_INTEGER)
    | st.floats(allow_nan=False, allow_infinity=False)
    | TEXT,
    lambda children: st.lists(children) | st.dictionaries(TEXT, children),
    max_leaves=20,
)


@given(VALUES, st.booleans())
def test_whatever_is_json_is_read_as_it_was_written(value: Any, plain: bool) -> None:
    assert read_json(json.dumps(value, ensure_ascii=plain).encode()) == value


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(data: bytes) -> None:
    try:
        value = read_json(data)
    except InvalidInput:
        return
    assert value == json.loads(data)


@pytest.mark.parametrize("text", [str(MAX_INTEGER + 1), str(-MAX_INTEGER - 1), "1" * 5000])
def test_integers_beyond_64_bits_are_refused(text: str) -> None:
    with pytest.raises(InvalidInput, match="Integers must be between"):
        read_json(text.encode())
