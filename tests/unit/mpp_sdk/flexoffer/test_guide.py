"""What the guide to flex-offers shows is what happens."""

import re
from pathlib import Path
from typing import Any

from mpp_sdk.flexoffer.lifecycle import LIFECYCLE

GUIDE = (Path(__file__).parents[4] / "docs" / "flex-offers.md").read_text(encoding="utf-8")


def blocks(language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```$", GUIDE, re.MULTILINE | re.DOTALL)


def test_its_code_runs_from_top_to_bottom() -> None:
    shown = blocks("python")
    assert len(shown) > 5
    namespace: dict[str, Any] = {}
    for code in shown:
        exec(code, namespace)


def test_the_life_of_a_flex_offer_is_drawn_as_it_is() -> None:
    [diagram] = blocks("mermaid")
    assert {
        (before, after) for before, after in re.findall(r"(\w+|\[\*\]) --> (\w+)", diagram)
    } == {
        ("[*]" if before is None else before.value, after.value)
        for before, steps in LIFECYCLE.steps.items()
        for after in steps.values()
    }
