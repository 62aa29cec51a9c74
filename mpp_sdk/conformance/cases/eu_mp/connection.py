"""Whether the platform is there and says what it is."""

from mpp_sdk import webhooks
from mpp_sdk.conformance.held import moment_of
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject


@case(
    "EU-MP-TEST-01",
    "The connection test says AVAILABLE and which contract is spoken",
    why="The marketplace decides by it what this platform can be sent.",
    contract="eu-mp",
    harmless=True,
)
def available(subject: Subject) -> str:
    answer = subject.call("test_connection")
    subject.demand(answer.status == 200, f"{answer}, not 200.", exchange=answer)
    told = answer.fields()
    subject.expect(
        told.get("contract") == subject.contract.name,
        f"It says that it speaks {told.get('contract')}, not {subject.contract.name}.",
        advice="Check the path that /eu-mp/v1/test leads to.",
        exchange=answer,
    )
    subject.spoken_version = str(told.get("contractVersion"))
    return f"It speaks {told.get('contract')} {subject.spoken_version}."


@case(
    "EU-MP-TEST-02",
    "Its clock agrees with the kit's to within five minutes",
    why="With a wrong clock it takes every signature for one that is too old, or from the future.",
    contract="eu-mp",
    harmless=True,
)
def clock(subject: Subject) -> str:
    answer = subject.call("test_connection")
    told = moment_of(answer.fields().get("time"))
    subject.demand(told is not None, "The test tells no time.", exchange=answer)
    apart = abs((told or subject.now()) - subject.now())
    subject.expect(
        apart <= webhooks.TOLERANCE,
        f"Its clock is {apart.total_seconds():.0f} s away from the kit's.",
        advice="Set the clock, and have it kept right (NTP).",
        exchange=answer,
    )
    return f"The clocks are {apart.total_seconds():.0f} s apart."
