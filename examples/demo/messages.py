"""Who called whom, read from the access logs of the three processes as they grow."""

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

PARTICIPANTS = (REQUESTER, REQUESTER_PLATFORM, MARKETPLACE, PROVIDER_PLATFORM, PROVIDER, OPERATOR)

_STEP = {
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
_DATA = "read_validated_measure_data"
_CHANGES = ("consents.notify_consent", "activations.notify_activation")


@dataclass
class Messages:
    """The messages so far. logs are the access logs by who keeps them; callers, whose credential.

    Only the calls of the integration process are messages; when the demonstration itself looks
    something up, that is not part of the story. Once a customer is withdrawing, a change of consent
    or activation belongs to the data exchange that it interrupts.
    """

    logs: Mapping[str, Path]
    callers: dict[str, Participant] = field(default_factory=dict)
    all: list[Message] = field(default_factory=list)
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
        if sender is MARKETPLACE and step == 0:
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

    def _step(self, operation: str, status: int) -> int | None:
        if operation in _CHANGES and self.withdrawing:
            return _STEP[_DATA]  # it is part of what happens in the middle of the exchange
        if operation == "confirm_service_offer" and status >= HTTPStatus.BAD_REQUEST:
            return 0  # the set-up test tries what a platform must refuse
        if operation == "list_points_of_delivery":
            if self._listed:
                return None  # asking how far things are is no step of its own
            self._listed = status < 300
        return _STEP.get(operation)

    def _sender(self, receiver: str, contract: str, caller: str) -> Participant | None:
        if contract == "eu-mp":
            return MARKETPLACE
        if contract == "metering":
            return REQUESTER_PLATFORM
        return self.callers.get(caller)


def _time(line: Mapping[str, object]) -> datetime:
    return datetime.fromisoformat(str(line["time"]))
