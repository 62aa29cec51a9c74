"""Starts the product's processes by forking, once everything is imported.

`python -m tests.chaos.nursery` reads a line of JSON for each process to start, and writes a line
for each that has started or ended. A process of the harness is started hundreds of times: so it
costs a tenth of a second instead of two. When its standard input ends, so do its children.
"""

import contextlib
import json
import os
import select
import signal
import sys
import traceback
from pathlib import Path
from typing import Any, NoReturn

from tests.chaos import shifted_clock  # before anything that reads the clock  # isort: skip
import marketplace.cli
import mpp_sdk.__main__
from tests.chaos import hooks, platforms, stepping
from tests.chaos.control import Control


def main() -> None:
    """Start what is asked for until nobody asks any more."""
    waker, wakes = os.pipe()
    os.set_blocking(wakes, False)
    signal.set_wakeup_fd(wakes, warn_on_full_buffer=False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    children: set[int] = set()
    unread = b""
    _say({"ready": os.getpid()})
    while True:
        readable, _, _ = select.select([0, waker], [], [])
        if waker in readable:
            os.read(waker, 4096)
        for pid, status in _ended():
            children.discard(pid)
            _say({"ended": pid, "status": os.waitstatus_to_exitcode(status)})
        if 0 not in readable:
            continue
        got = os.read(0, 65536)
        if not got:
            break
        *lines, unread = (unread + got).split(b"\n")
        for line in lines:
            order = json.loads(line)
            pid = os.fork()
            if pid == 0:
                os.close(waker)
                os.close(wakes)
                _become(order)
            children.add(pid)
            _say({"started": order["name"], "pid": pid})
    for pid in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


def _ended() -> list[tuple[int, int]]:
    ended = []
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                break
            ended.append((pid, status))
    return ended


def _say(message: dict[str, Any]) -> None:
    os.write(1, json.dumps(message).encode() + b"\n")


def _become(order: dict[str, Any]) -> NoReturn:
    try:
        signal.set_wakeup_fd(-1)
        signal.signal(signal.SIGCHLD, signal.SIG_DFL)
        os.setsid()
        log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
        nothing = os.open(os.devnull, os.O_RDONLY)
        for old, new in ((nothing, 0), (log, 1), (log, 2)):
            os.dup2(old, new)
        os.environ.update(order["environment"])
        for number, limit in order.get("limits", ()):
            import resource

            resource.setrlimit(number, (limit, limit))
        control = Control(Path(os.environ["CHAOS_CONTROL"]))
        shifted_clock.follow(control)
        stepping.follow(control)
        hooks.install(control)
        match order["kind"]:
            case "web":
                marketplace.cli.serve()
            case "worker":
                marketplace.cli.deliver()
            case "platform":
                mpp_sdk.__main__.serve(f"{platforms.__name__}:ChaosPlatform")
    except SystemExit as ended:
        sys.stderr.flush()
        os._exit(ended.code if isinstance(ended.code, int) else 1)
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
        os._exit(1)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(0)


if __name__ == "__main__":
    main()
