"""The comparison finds what is planted, and explains no more duplicates than were in flight."""

from pathlib import Path

import pytest

from tests.chaos import wire
from tests.chaos.checker import (
    Duplicate,
    Fault,
    check_duplicates,
    check_streams,
    duplicates,
    unexplained,
)
from tests.chaos.control import Control, Slot, Step
from tests.chaos.ledger import Ledger, Stream
from tests.chaos.processes import Loss
from tests.chaos.wire import Line, Wire

STREAM = Stream("provider", "a subscription")
OTHER = Stream("requester", "a subscription")
ASKED = ["suspended chaos 1", "resumed chaos 2", "suspended chaos 3", "resumed chaos 4"]


def _found(applied: list[str]) -> list[tuple[Fault, str]]:
    return [(one.fault, one.what) for one in check_streams({STREAM: ASKED}, {STREAM: applied})]


def test_nothing_is_found_where_everything_was_applied_once_in_order() -> None:
    assert _found(ASKED) == []


@pytest.mark.parametrize("missing", range(4))
def test_a_lost_event_is_found_wherever_it_was(missing: int) -> None:
    applied = [what for place, what in enumerate(ASKED) if place != missing]
    assert _found(applied) == [(Fault.LOST, ASKED[missing])]


def test_a_stream_of_which_nothing_came_is_lost_altogether() -> None:
    found = check_streams({STREAM: ASKED, OTHER: ASKED}, {STREAM: ASKED})
    assert [one.fault for one in found] == [Fault.LOST] * 4
    assert {one.where for one in found} == {"requester, subscription a subscription"}


def test_what_was_applied_twice_is_found_at_once_and_later() -> None:
    assert _found([*ASKED[:1], *ASKED]) == [(Fault.TWICE, ASKED[0])]
    assert (Fault.TWICE, ASKED[0]) in _found([*ASKED, ASKED[0]])


def test_what_came_out_of_order_is_found() -> None:
    first, second, third, fourth = ASKED
    assert _found([first, third, second, fourth]) == [(Fault.ORDER, second)]


def test_what_nobody_asked_for_is_found() -> None:
    assert _found([*ASKED, "suspended chaos 5"]) == [(Fault.UNASKED, "suspended chaos 5")]


def test_an_arrival_after_a_good_answer_or_none_is_a_duplicate_and_after_a_refusal_it_is_not() -> (
    None
):
    lines = [
        *(Line(1, "well", None), Line(1, "well", 200), Line(5, "well", None), Line(5, "well", 200)),
        *(Line(1, "none", None), Line(6, "none", None), Line(6, "none", 200)),
        *(Line(1, "bad", None), Line(1, "bad", 503), Line(7, "bad", None), Line(7, "bad", 200)),
        *(Line(1, "once", None), Line(1, "once", 200)),
    ]
    assert duplicates(lines) == [Duplicate("well", 1, 5), Duplicate("none", 1, 6)]


def test_a_kill_explains_as_many_duplicates_as_were_in_flight_and_only_those_around_it() -> None:
    found = [Duplicate(f"event {number}", 10, 20) for number in range(3)]
    kill = Loss(15, "worker-1", "SIGKILL", 2, 0)
    assert unexplained(found, [kill]) == found[2:]
    assert unexplained(found, [kill, Loss(16, "worker-2", "SIGKILL", 1, 0)]) == []
    assert unexplained(found, [Loss(5, "worker-1", "SIGKILL", 3, 0)]) == found
    assert unexplained(found, [Loss(25, "worker-1", "SIGKILL", 3, 0)]) == found
    (finding,) = check_duplicates(found, [kill])
    assert finding.fault is Fault.DUPLICATE
    assert "event 2" in finding.what


def test_a_lost_lease_explains_what_others_sent_before_its_holder_learned_of_it() -> None:
    found = [Duplicate("an event", 10, 15)]
    assert unexplained(found, [Loss(20, "worker-1", "record lost: the lease", 1, 0)]) == []
    assert unexplained(found, [Loss(9, "worker-1", "record lost: the lease", 1, 0)]) == found


def test_the_wire_log_survives_a_line_that_was_cut_off(tmp_path: Path) -> None:
    log = Wire(tmp_path / "wire")
    log.write("an-event", None)
    log.write("an-event", 200)
    with (tmp_path / "wire").open("a") as opened:
        opened.write("12.5 anoth")
    assert [(one.event_id, one.status) for one in wire.read(tmp_path / "wire")] == [
        ("an-event", None),
        ("an-event", 200),
    ]


def test_a_step_is_due_once_at_the_passage_that_was_ordered(tmp_path: Path) -> None:
    harness, process = Control(tmp_path / "control"), Control(tmp_path / "control")
    harness.arm(Step.SEND_AFTER, 2, 9)
    passages = [process.is_due(step) for step in (Step.SEND_BEFORE, *[Step.SEND_AFTER] * 3)]
    assert passages == [False, False, True, False]
    assert harness.reached is Step.SEND_AFTER


def test_what_a_process_has_counted_outlives_it(tmp_path: Path) -> None:
    process = Control(tmp_path / "control")
    process.add(Slot.SENT, 5)
    process.add(Slot.RECORDED, 3)
    process.add(Slot.ARRIVED)
    del process
    assert Control(tmp_path / "control").in_flight == 3


def test_the_ledger_knows_what_was_never_acknowledged(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger")
    first = ledger.ask("suspended", [STREAM, OTHER])
    second = ledger.ask("resumed", [STREAM, OTHER])
    ledger.acknowledge(first, 2)
    assert ledger.unacknowledged == {second.number}
    assert ledger.events == 2
    assert ledger.expected()[OTHER] == ["suspended chaos 1", "resumed chaos 2"]
    assert len((tmp_path / "ledger").read_text().splitlines()) == 3
