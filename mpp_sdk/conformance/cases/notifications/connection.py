"""Whether the marketplace is there and says what it is."""

from mpp_sdk.conformance.notices import CONTRACT
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject


@case(
    "NOTIFICATIONS-TEST-01",
    "The connection test says AVAILABLE and which contract is spoken",
    why="A platform tells by it whether its key works and what it may send.",
    contract=CONTRACT,
    harmless=True,
)
def available(subject: Subject) -> str:
    answer = subject.call("test_connection")
    subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
    told = answer.fields()
    subject.expect(
        told.get("contract") == CONTRACT,
        f"It says that it speaks {told.get('contract')}, not {CONTRACT}.",
        exchange=answer,
    )
    subject.spoken_version = str(told.get("contractVersion"))
    return f"It speaks {told.get('contract')} {subject.spoken_version}."
