"""Periodic jobs, in a thread of the serving process."""

import logging
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from marketplace.core.environment import Environment, in_environment
from marketplace.core.unit_of_work import unit_of_work
from mpp_sdk.correlation import correlated
from mpp_sdk.ids import new_id
from mpp_sdk.metrics import Meters

_log = logging.getLogger(__name__)
_MOST_BATCHES = 1000
_NAME = "task"  # `job` is a label of Prometheus itself
_SECONDS = (0.005, 0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300)


class JobMeters:
    """How the periodic jobs of this process run."""

    def __init__(self, meters: Meters) -> None:
        self.runs = meters.counter("job_runs", "Runs of a periodic job", _NAME, "outcome")
        self.seconds = meters.histogram(
            "job_duration_seconds", "How long a run took", _NAME, buckets=_SECONDS
        )
        self.done = meters.counter("job_things_done", "What a job has done, in its things", _NAME)
        self.last_success = meters.gauge(
            "job_last_success_timestamp_seconds", "When a job last ended well", _NAME
        )

    def expect(self, job: str) -> None:
        """Show the counters of a job from 0 on: Prometheus sees no rise in what was not there."""
        for outcome in ("done", "failed"):
            self.runs.labels(job, outcome)
        self.done.labels(job)


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
        self._meters = environment.meters.of(JobMeters)
        for job in jobs:
            self._meters.expect(job.name)
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
            started = time.monotonic()
            try:
                with correlated(str(new_id())):
                    self._do(job)
            except Exception:
                _log.exception("The job %s failed; it is tried again later", job.name)
                self._meters.runs.labels(job.name, "failed").inc()
            else:
                self._meters.last_success.labels(job.name).set_to_current_time()
                self._meters.runs.labels(job.name, "done").inc()
            self._meters.seconds.labels(job.name).observe(time.monotonic() - started)

    def _do(self, job: Job) -> None:
        done_by = self._meters.done.labels(job.name)
        with in_environment(self._environment):
            if not job.transactional:
                done_by.inc(job.run())
                return
            for _ in range(_MOST_BATCHES):
                with unit_of_work(self._environment.engine):
                    done = job.run()
                done_by.inc(done)
                if done == 0 or self._stop.is_set():
                    return

    def _run(self) -> None:
        interval = self._environment.settings.job_interval.total_seconds()
        while True:
            self.run_once()
            if self._stop.wait(interval):
                return
