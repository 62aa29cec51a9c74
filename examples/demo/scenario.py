"""One run of the demonstration: its two stories, and what came of them."""

from datetime import UTC, datetime
from pathlib import Path

from rich.console import Console

from examples.demo import flexibility_story, readings_story
from examples.demo import messages as who
from examples.demo.checks import check_data, check_marketplace, check_withdrawal
from examples.demo.companies import expect
from examples.demo.flexibility_outcome import check_flexibility, flexibility_day
from examples.demo.outcome import audit_trail, load_curves, timelines
from examples.demo.portfolio import DENIED, GRANTED, WITHDRAWN
from examples.demo.readings_story import readings_of
from examples.demo.report import Report
from examples.demo.stage import Stage


class Scenario:
    """One run. Databases, logs and keys lie in a folder of their own."""

    def __init__(self, folder: Path, console: Console) -> None:
        self._stage = Stage(folder, console)

    def stop(self) -> None:
        """End the processes that were started."""
        self._stage.stop()

    def play(self) -> Report:
        """Return what happened. Raises DidNotStart, or DidNotHappen when a step does not come."""
        stage = self._stage
        stage.heading(0)
        stage.start_marketplace()
        operator = stage.operator()
        first = readings_story.play(stage, operator)
        stage.show()
        received = readings_of(stage, "aggregator")
        curves, readings_received = load_curves(received), received.count()
        subscription = first.aggregator.client.read_subscription(first.subscription_id).body
        trail = audit_trail(operator, first.subscription_id)
        checks = [
            *check_data(
                received,
                readings_of(stage, "local_operator"),
                with_consent=GRANTED,
                without=(DENIED, WITHDRAWN),
            ),
            check_withdrawal(stage.messages.all),
            *check_marketplace(operator, subscription),
        ]
        second = flexibility_story.play(stage, operator, first.aggregator)
        first_data = min(m.at for m in stage.messages.all if m.step == 7 and m.status == 200)
        taking_part = {key for m in stage.messages.all for key in (m.sender, m.receiver)}
        return Report(
            started_at=stage.started_at,
            ended_at=datetime.now(UTC),
            acceptance_to_active=expect(subscription.activated_at) - subscription.created_at,
            acceptance_to_first_data=first_data - subscription.created_at,
            readings_received=readings_received,
            participants=[one for one in who.PARTICIPANTS if one.key in taking_part],
            messages=stage.messages.all,
            groups=timelines(trail, subscription),
            curves=curves,
            flexibility=flexibility_day(second),
            checks=[*checks, *check_flexibility(second, allowed=GRANTED)],
        )
