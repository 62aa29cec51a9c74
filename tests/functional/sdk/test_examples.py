"""What the example platforms do when their counterparts do not behave."""

from pathlib import Path
from uuid import UUID

import pytest

from examples.aggregator import Aggregator
from mpp_sdk.contracts.eu_mp.models import PlatformRole
from mpp_sdk.metering.client import MeteringRequester
from mpp_sdk.transport import ConnectionFailed
from tests.functional.sdk.support import confirmed, eu_mp_client, served, settings


class Watched(Aggregator):
    """An aggregator that tells whom it asks; the first one never answers."""

    def collect_from(self, provider: MeteringRequester) -> None:
        self.asked: list[UUID] = [*getattr(self, "asked", []), provider.subscription.id]
        if len(self.asked) == 1:
            raise ConnectionFailed("Connection refused.")


def test_a_provider_that_does_not_answer_keeps_nobody_elses_readings_back(
    sqlite_url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    platform = Watched(settings(sqlite_url, tmp_path))
    events = [confirmed(key=f"fxb_the-key-of-subscription-{number}") for number in range(2)]
    with served(platform) as url:
        for event in events:
            eu_mp_client(url).confirm_service_offer(PlatformRole.REQUESTER, event)
        platform.collecting.stop()
        platform.asked = []
        platform.collect()

    assert set(platform.asked) == {event.subscription_id for event in events}
    assert "Connection refused" in caplog.text
