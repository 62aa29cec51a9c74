"""Who called whom, read from the access logs of the processes as they grow."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from http import HTTPStatus
from pathlib import Path

from examples.demo.report import Message, Participant

OPERATOR = Participant("operator", "Operator", "of the marketplace")
REQUESTER = Participant("requester", "Levante Aggregation", "its people")
REQUESTER_PLATFORM = Participant("requester-platform", "Levante Aggregation", "its platform")
MARKETPLACE = Participant("marketplace", "Flexagora", "the marketplace")
PROVIDER_PLATFORM = Participant("provider-platform", "Crevillent Distribution", "its platform")
PROVIDER = Participant("provider", "Crevillent Distribution", "its people")

HOME_PLATFORM = Participant("home-platform", "Vinalopó Homes", "its platform")
HOME = Participant("home", "Vinalopó Homes", "its people")

PARTICIPANTS = (
    REQUESTER,
    REQUESTER_PLATFORM,
    MARKETPLACE,
    PROVIDER_PLATFORM,
    PROVIDER,
    HOME_PLATFORM,
    HOME,
    OPERATOR,
)
KEEPERS = {
    "marketplace": MARKETPLACE,
    "aggregator": REQUESTER_PLATFORM,
    "local_operator": PROVIDER_PLATFORM,
    "home_energy": HOME_PLATFORM,
}
"""Who keeps the access log of which name."""

FIRST_OF_FLEXIBILITY = 9
READINGS = {
    "identity.set_platform": 0,
    "identity.test_platform": 0,
    "test_connection": 0,
    "catalogue.publish_service_version": 0,
    "catalogue.list_services": 1,
    "subscriptions.request_service": 1,
    "subscriptions.make_offer": 2,
    "subscriptions.accept_offer": 3,
    "confirm_service_offer": 3,
    "list_points_of_delivery": 4,
    "request_points_of_delivery": 5,
    "consents.notify_consent": 5,
    "activations.notify_activation": 6,
    "read_validated_measure_data": 7,
    "monitoring.notify_interim": 8,
}
"""The steps of the first story by the operations that are called."""

FLEXIBILITY = {
    "identity.set_platform": 9,
    "identity.test_platform": 9,
    "test_connection": 9,
    "catalogue.publish_service_version": 9,
    "catalogue.list_services": 10,
    "subscriptions.request_service": 10,
    "subscriptions.make_offer": 10,
    "subscriptions.accept_offer": 11,
    "confirm_service_offer": 11,
    "read_contract": 12,
    "stream_flex_offers": 12,
    "list_flex_offers": 12,
    "read_flex_offer": 12,
    "submit_measurements": 13,
    "read_kpis": 13,
    "read_bill": 13,
}
"""The steps of the second story."""

_DATA = "read_validated_measure_data"
_CHANGES = ("consents.notify_consent", "activations.notify_activation")


@dataclass
class Messages:
    """The messages so far. logs are the access logs by who keeps them; callers, whose credential.

    Only the calls that steps has are messages; when the demonstration itself looks something up,
    that is not part of the story. Once a customer is withdrawing, a change of consent or activation
    belongs to the data exchange that it interrupts.
    """

    logs: Mapping[str, Path]
    callers: dict[str, Participant] = field(default_factory=dict)
    all: list[Message] = field(default_factory=list)
    steps: Mapping[str, int] = field(default_factory=lambda: READINGS)
    withdrawing: bool = False
    _read: dict[str, int] = field(default_factory=dict)
    _listed: bool = False
    _tried: set[tuple[str, str, str, int]] = field(default_factory=set)

    def new(self) -> list[Message]:
        """Return the messages since the last time, in the order of time."""
        lines: list[tuple[datetime, str, dict[str, object]]] = []
        for receiver, path in self.logs.items():
            if path.exists():
                lines += [(_time(line), receiver, line) for line in self._grown(receiver, path)]
        found = [
            message
            for _, receiver, line in sorted(lines, key=lambda item: item[0])
            if (message := self._message(receiver, line)) is not None
        ]
        self.all += found
        return found

    def _grown(self, receiver: str, path: Path) -> list[dict[str, object]]:
        with path.open("rb") as file:
            file.seek(self._read.get(receiver, 0))
            whole = file.read().rpartition(b"\n")[0]
        self._read[receiver] = self._read.get(receiver, 0) + len(whole) + (1 if whole else 0)
        return [json.loads(line) for line in whole.splitlines()]

    def _message(self, receiver: str, line: dict[str, object]) -> Message | None:
        operation = str(line.get("operationId"))
        status = int(str(line["status"]))
        step = self._step(operation, status)
        sender = self._sender(receiver, str(line.get("contract")), str(line.get("callerId")))
        if step is None or sender is None:
            return None
        if sender is MARKETPLACE and step == self._before:
            tried = (receiver, operation, str(line["method"]), status)
            if tried in self._tried:
                return None  # the set-up test calls many times; each kind of call is told once
            self._tried.add(tried)
        return Message(
            at=_time(line),
            sender=sender.key,
            receiver=receiver,
            method=str(line["method"]),
            path=str(line["path"]),
            status=status,
            step=step,
        )

    @property
    def _before(self) -> int:
        """The step in which companies join."""
        return self.steps["test_connection"]

    def _step(self, operation: str, status: int) -> int | None:
        if operation in _CHANGES and self.withdrawing:
            return self.steps.get(_DATA)  # part of what happens in the middle of the exchange
        if operation == "confirm_service_offer" and status >= HTTPStatus.BAD_REQUEST:
            return self._before  # the set-up test tries what a platform must refuse
        if operation == "list_points_of_delivery":
            if self._listed:
                return None  # asking how far things are is no step of its own
            self._listed = status < 300
        return self.steps.get(operation)

    def _sender(self, receiver: str, contract: str, caller: str) -> Participant | None:
        if contract == "eu-mp":
            return MARKETPLACE
        if contract == "metering":
            return REQUESTER_PLATFORM
        if contract == "flexoffer":
            return HOME_PLATFORM
        return self.callers.get(caller)


def _time(line: Mapping[str, object]) -> datetime:
    return datetime.fromisoformat(str(line["time"]))
