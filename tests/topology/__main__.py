"""`python -m tests.topology` runs the topology until it is interrupted, and says where it is."""

import signal
import tempfile
import threading
from pathlib import Path

from tests.topology import running


def main() -> None:
    """Run it in a temporary folder."""
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())
    with (
        tempfile.TemporaryDirectory(prefix="flexagora-topology-") as folder,
        running(Path(folder)) as topology,
    ):
        print(f"The marketplace is at {topology.url}; trust {topology.authority.file}.")
        print(f"Logs and the proxy's files are in {folder}. Ctrl-C ends everything.", flush=True)
        stop.wait()


if __name__ == "__main__":
    main()
