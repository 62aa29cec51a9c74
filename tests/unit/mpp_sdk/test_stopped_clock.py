from datetime import UTC, datetime, timedelta

from mpp_sdk import clock
from mpp_sdk.ids import first_id_of, new_id

THEN = datetime(2026, 3, 1, 12, tzinfo=UTC)


def test_a_clock_stands_still_inside_a_block_only() -> None:
    with clock.at(THEN):
        assert clock.now() == clock.now() == THEN
        with clock.at(THEN + timedelta(days=1)):
            assert clock.now() == THEN + timedelta(days=1)
        assert clock.now() == THEN
    assert abs(clock.now() - datetime.now(UTC)) < timedelta(minutes=1)


def test_ids_of_a_made_up_history_are_of_its_time_and_in_order() -> None:
    with clock.at(THEN):
        made = [new_id() for _ in range(100)]
    with clock.at(THEN + timedelta(seconds=1)):
        later = new_id()
    assert made == sorted(made)
    assert len(set(made)) == 100
    assert first_id_of(THEN) <= made[0] < made[-1] < first_id_of(THEN + timedelta(seconds=1))
    assert later > made[-1]
    assert {one.version for one in made} == {7}
    assert new_id() > later
