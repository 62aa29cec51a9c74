"""Jobs: again and again, at once when waked, and whatever went wrong the time before."""

import threading
from datetime import timedelta

import pytest

from mpp_sdk.errors import Unavailable
from mpp_sdk.jobs import Job


@pytest.mark.parametrize("error", [Unavailable("No answer."), RuntimeError("A defect.")])
def test_a_job_survives_what_it_raises_and_runs_again(error: Exception) -> None:
    ran = threading.Semaphore(0)

    def work() -> None:
        ran.release()
        raise error

    job = Job("work", timedelta(milliseconds=10), work)
    job.start()
    for _ in range(3):
        assert ran.acquire(timeout=5)
    job.stop()


def test_a_job_that_is_waked_does_not_wait_for_its_interval() -> None:
    ran = threading.Semaphore(0)
    job = Job("work", timedelta(hours=1), ran.release)
    job.start()
    assert ran.acquire(timeout=5)
    assert not ran.acquire(timeout=0.2)
    job.wake()
    assert ran.acquire(timeout=5)
    job.stop()
    job.wake()
    assert not ran.acquire(timeout=0.2)
