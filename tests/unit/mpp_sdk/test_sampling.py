"""Values that are looked up: seldom, by one at a time, and never at the asker's risk."""

import threading

from mpp_sdk.readiness import Readiness, ReadinessState
from mpp_sdk.sampling import Sampled


def test_it_is_found_out_once_and_kept() -> None:
    found: list[int] = []

    def find() -> int:
        found.append(1)
        return len(found)

    sampled = Sampled("x", find, keep_seconds=60, patience_seconds=5)
    assert [sampled.get().value for _ in range(3)] == [1, 1, 1]
    assert not sampled.get().failed


def test_what_fails_leaves_what_was_known_and_says_so() -> None:
    answers: list[int] = [7]
    sampled = Sampled("x", answers.pop, keep_seconds=0, patience_seconds=5)
    assert sampled.get().value == 7
    while not (sample := sampled.get()).failed:
        pass  # what was found is kept for a moment
    assert sample.value == 7
    assert isinstance(sample.error, IndexError)


def test_what_hangs_keeps_nobody_and_is_asked_once() -> None:
    release, asked = threading.Event(), []

    def find() -> str:
        asked.append(1)
        release.wait(30)
        return "late"

    sampled = Sampled("x", find, keep_seconds=60, patience_seconds=0.05)
    for _ in range(3):
        sample = sampled.get()
        assert (sample.value, sample.failed) == (None, True)
    assert len(asked) == 1
    release.set()
    while sampled.get().failed:
        pass
    assert sampled.get().value == "late"


def test_a_check_that_raises_tells_nothing_of_why() -> None:
    readiness = Readiness()
    readiness.check("database", lambda: str(1 / 0))
    report = readiness.report()
    assert report.state is ReadinessState.NOT_READY
    assert report.findings[1].problem == "It does not answer."
