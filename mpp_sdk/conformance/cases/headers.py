"""The headers that every answer has."""

from mpp_sdk.conformance.exchange import Exchange
from mpp_sdk.conformance.registry import case
from mpp_sdk.conformance.subject import Subject
from mpp_sdk.ids import new_id

_CORRELATION = "X-Correlation-Id"


@case(
    "HEADER-CORRELATION-01",
    "Every answer has an X-Correlation-Id, the caller's own where it sent one",
    why="By it, the logs of two companies are put together when something went wrong between them.",
    harmless=True,
)
def correlation(subject: Subject) -> str:
    given = f"conformance.{new_id()}:_-"
    for answer in _answers(subject, {_CORRELATION: given}):
        subject.expect(
            answer.headers.get(_CORRELATION.lower()) == given,
            f"{answer} without the {_CORRELATION} that was sent.",
            advice=f"Repeat {_CORRELATION} in every answer, and write it into the log.",
            exchange=answer,
        )
    made = set()
    answers = _answers(subject, {})
    for answer in answers:
        own = answer.headers.get(_CORRELATION.lower())
        subject.expect(bool(own), f"{answer} without {_CORRELATION}.", exchange=answer)
        made.add(own)
    subject.expect(
        len(made) == len(answers),
        f"Several calls without {_CORRELATION} were given the same one.",
        advice="Make a new one for each call.",
    )
    return f"{2 * len(answers)} answers had one."


@case(
    "HEADER-CORRELATION-02",
    "An X-Correlation-Id that breaks its rule is not repeated",
    why="What is written into a log as it came lets strangers write into the log.",
    harmless=True,
)
def hostile_correlation(subject: Subject) -> str:
    values = ("two words", "x" * 129, "<script>", '"quoted"')
    for value in values:
        for answer in _answers(subject, {_CORRELATION: value}):
            subject.expect(
                answer.headers.get(_CORRELATION.lower()) != value,
                f"{answer} with the {_CORRELATION} {value[:40]!r}, which no id looks like.",
                advice="Take up to 128 letters, digits and ._:-, and make a new one otherwise.",
                exchange=answer,
            )
    return f"{len(values)} values were not repeated."


@case(
    "HEADER-CACHE-01",
    "No answer may be stored: `Cache-Control: no-store`",
    why="Answers hold keys and customers' data, and proxies keep what they may.",
    harmless=True,
)
def not_stored(subject: Subject) -> str:
    answers = _answers(subject, {})
    for answer in answers:
        subject.expect(
            "no-store" in answer.headers.get("cache-control", "").lower(),
            f"{answer} without Cache-Control: no-store.",
            exchange=answer,
        )
    return f"{len(answers)} answers may not be stored."


def _answers(subject: Subject, headers: dict[str, str]) -> list[Exchange]:
    """Return an answer of success, where something can be read, and refusals of several kinds."""
    reading = [one for one in subject.operations() if one.method == "GET"]
    writing = [one for one in subject.operations() if one.body_media_types]
    unknown = f"{subject.contract.base_path}/conformance-kit"
    return [
        *(subject.call(one, headers=dict(headers)) for one in reading),
        *(subject.call(one, body={}, headers=dict(headers)) for one in writing),
        subject.send("GET", unknown, headers={**subject.key_header(), **headers}),
    ]
