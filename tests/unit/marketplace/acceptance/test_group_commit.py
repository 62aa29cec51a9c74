"""The queue in front of the thread that carries out calls: bounded, and emptied before the end."""

import asyncio
import threading
from collections.abc import Sequence

import pytest

from marketplace.core.group_commit import GroupCommit
from mpp_sdk.errors import Conflict, Unavailable


class Gate:
    """Carries out what it is given once it is opened; notes what came together."""

    def __init__(self) -> None:
        self.groups: list[list[int]] = []
        self.begun = threading.Event()
        self.open = threading.Event()

    def __call__(self, items: Sequence[int]) -> Sequence[int | Exception]:
        self.groups.append(list(items))
        self.begun.set()
        self.open.wait(30)
        return [Conflict("odd") if item % 2 else item * 10 for item in items]


def test_what_waits_is_carried_out_together_and_each_gets_its_own_outcome() -> None:
    gate = Gate()
    groups = GroupCommit[int, int](gate, most=3, waiting=10)

    async def main() -> list[int | BaseException]:
        waiting = [groups.submit(0)]
        await asyncio.to_thread(gate.begun.wait, 30)
        waiting += [groups.submit(number) for number in range(1, 6)]
        gate.open.set()
        return await asyncio.gather(*waiting, return_exceptions=True)

    outcomes = asyncio.run(main())
    groups.stop()
    assert gate.groups == [[0], [1, 2, 3], [4, 5]]
    assert [str(each) for each in outcomes] == ["0", "odd", "20", "odd", "40", "odd"]


def test_a_full_queue_turns_away_and_says_when_to_come_again() -> None:
    gate = Gate()
    groups = GroupCommit[int, int](gate, most=3, waiting=2)

    async def main() -> None:
        waiting = [groups.submit(0)]
        await asyncio.to_thread(gate.begun.wait, 30)
        waiting += [groups.submit(2), groups.submit(4)]
        with pytest.raises(Unavailable) as refused:
            groups.submit(6)
        assert refused.value.retry_after == 1
        gate.open.set()
        assert await asyncio.gather(*waiting) == [0, 20, 40]
        assert await groups.submit(8) == 80

    asyncio.run(main())
    groups.stop()


def test_stopping_carries_out_what_was_taken_and_takes_nothing_more() -> None:
    gate = Gate()
    groups = GroupCommit[int, int](gate, most=1, waiting=10)

    async def main() -> None:
        waiting = [groups.submit(number) for number in (0, 2, 4)]
        await asyncio.to_thread(gate.begun.wait, 30)
        stopping = asyncio.create_task(asyncio.to_thread(groups.stop))
        gate.open.set()
        assert await asyncio.gather(*waiting) == [0, 20, 40]
        await stopping
        with pytest.raises(Unavailable):
            groups.submit(6)

    asyncio.run(main())


def test_whoever_no_longer_waits_does_not_disturb_the_others() -> None:
    gate = Gate()
    groups = GroupCommit[int, int](gate, most=5, waiting=10)

    async def main() -> None:
        first = groups.submit(0)
        await asyncio.to_thread(gate.begun.wait, 30)
        gone, stays = groups.submit(2), groups.submit(4)
        gone.cancel()
        gate.open.set()
        assert (await first, await stays) == (0, 40)

    asyncio.run(main())
    groups.stop()
    assert gate.groups == [[0], [2, 4]]


def test_a_group_that_fails_as_a_whole_fails_for_each() -> None:
    def fail(items: Sequence[int]) -> Sequence[int | Exception]:
        raise RuntimeError("unforeseen")

    groups = GroupCommit[int, int](fail, most=5, waiting=10)

    async def main() -> None:
        for _ in range(2):  # the thread has outlived the first
            with pytest.raises(RuntimeError, match="unforeseen"):
                await groups.submit(1)

    asyncio.run(main())
    groups.stop()
