"""What is written within one turn of the event loop leaves together, and nothing stays behind."""

import asyncio
from collections.abc import Callable

from mpp_sdk.web.writing import GatheringTransport


class _Recorded(asyncio.Transport):
    """Notes what is done to it."""

    def __init__(self) -> None:
        super().__init__()
        self.done: list[bytes | str] = []

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.done.append(bytes(data))

    def close(self) -> None:
        self.done.append("close")

    def abort(self) -> None:
        self.done.append("abort")


def done_by(act: Callable[[GatheringTransport], None]) -> list[bytes | str]:
    """Return what was done to the transport beneath, by the end of the next turn of the loop."""
    beneath = _Recorded()

    async def run() -> None:
        act(GatheringTransport(beneath, asyncio.get_running_loop()))
        await asyncio.sleep(0)

    asyncio.run(run())
    return beneath.done


def test_head_and_body_are_one_packet() -> None:
    def answer(transport: GatheringTransport) -> None:
        transport.write(b"head ")
        transport.write(b"body")

    assert done_by(answer) == [b"head body"]


def test_what_is_written_before_closing_is_sent_first() -> None:
    def answer(transport: GatheringTransport) -> None:
        transport.write(b"the end")
        transport.close()

    assert done_by(answer) == [b"the end", "close"]


def test_nothing_is_sent_once_it_is_given_up() -> None:
    def give_up(transport: GatheringTransport) -> None:
        transport.write(b"half an answer")
        transport.abort()

    assert done_by(give_up) == ["abort"]


def test_much_is_not_held() -> None:
    beneath = _Recorded()

    async def run() -> list[bytes | str]:
        transport = GatheringTransport(beneath, asyncio.get_running_loop())
        transport.write(b"1" * 40_000)
        transport.write(b"2" * 40_000)
        at_once = list(beneath.done)
        transport.write(b"3")
        await asyncio.sleep(0)
        return at_once

    assert asyncio.run(run()) == [b"1" * 40_000 + b"2" * 40_000]
    assert beneath.done[1:] == [b"3"]
