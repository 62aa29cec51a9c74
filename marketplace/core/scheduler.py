"""Periodic jobs, in a thread of the serving process."""

import logging
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from marketplace.core.environment import Environment, in_environment
from marketplace.core.unit_of_work import unit_of_work

_log = logging.getLogger(__name__)
_MOST_BATCHES = 1000


@dataclass(frozen=True)
class Job:
    """Something that is done again and again, by any number of processes at once.

    run returns how many things it has done. A transactional job does one batch in the unit of work
    that it is given, and is called again for as long as it has done something. The others open
    their own.
    """

    name: str
    run: Callable[[], int]
    transactional: bool = True


class Scheduler:
    """Runs jobs, one after the other, at an interval until it is stopped.

    A job that fails stops no other one; one that waits for others does, and gets a scheduler of its
    own. stopping is set when it is to end: a job that takes long looks at it.
    """

    def __init__(
        self, environment: Environment, jobs: Sequence[Job], stopping: threading.Event
    ) -> None:
        self._environment = environment
        self._jobs = jobs
        self._stop = stopping
        self._thread = threading.Thread(target=self._run, name="scheduler", daemon=True)

    def start(self) -> None:
        """Begin, with a first round at once."""
        self._thread.start()

    def stop(self) -> None:
        """End after what is under way."""
        self._stop.set()
        self._thread.join()

    def run_once(self) -> None:
        """Run every job now, in this thread."""
        for job in self._jobs:
            if self._stop.is_set():
                return
            try:
                self._do(job)
            except Exception:
                _log.exception("The job %s failed; it is tried again later", job.name)

    def _do(self, job: Job) -> None:
        with in_environment(self._environment):
            if not job.transactional:
                job.run()
                return
            for _ in range(_MOST_BATCHES):
                with unit_of_work(self._environment.engine):
                    done = job.run()
                if done == 0 or self._stop.is_set():
                    return

    def _run(self) -> None:
        interval = self._environment.settings.job_interval.total_seconds()
        while True:
            self.run_once()
            if self._stop.wait(interval):
                return
