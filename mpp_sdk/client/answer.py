"""An answer: what is read of it, and the errors that it may be."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Generic, TypeVar

from pydantic import BaseModel, ValidationError

from mpp_sdk.client.errors import ProblemError, UnexpectedAnswer, problem_error
from mpp_sdk.problem import Problem

T = TypeVar("T")
ModelT = TypeVar("ModelT", bound=BaseModel)

_NEXT_LINK = re.compile(r'<([^>]*)>\s*;[^,]*\brel="?next"?', re.IGNORECASE)
_EXCERPT_BYTES = 200
_HIDDEN = b"***"
_SHORTEST_SECRET = 8  # what is shorter stands in ordinary text, too


@dataclass(frozen=True)
class Answer(Generic[T]):
    """An answer with what came beside its body. The names of headers match in any case."""

    body: T
    status: int
    headers: Mapping[str, str]

    @property
    def etag(self) -> str | None:
        """The version of the resource, for `if_match`."""
        return self.headers.get("ETag")

    @property
    def media_type(self) -> str:
        """The media type of the body, without its parameters."""
        return self.headers.get("Content-Type", "").partition(";")[0].strip().lower()

    @property
    def next_link(self) -> str | None:
        """Where the next page is, of a `Link` header with rel="next"."""
        found = _NEXT_LINK.search(self.headers.get("Link", ""))
        return found.group(1) if found else None


def read(model: type[ModelT], answer: Answer[bytes]) -> Answer[ModelT]:
    """Return the answer with its body as the model. Raises UnexpectedAnswer when it is none."""
    try:
        body = model.model_validate_json(answer.body)
    except ValidationError as error:
        # Neither the error nor its text goes further: they quote the answer, and any secret in it.
        broken = "; ".join(_told(error))
    else:
        return Answer(body, answer.status, answer.headers)
    raise UnexpectedAnswer(
        f"The answer ({answer.status}, {answer.media_type or 'of no media type'})"
        f" is no {model.__name__}: {broken}",
        answer,
    )


def refusal(answer: Answer[bytes], secrets: Iterator[str]) -> ProblemError:
    """Return the error that an answer is. What it repeats of the caller's secrets is left out."""
    body = answer.body
    for secret in secrets:
        if len(secret) >= _SHORTEST_SECRET:
            body = body.replace(secret.encode(), _HIDDEN)
    try:
        problem = Problem.model_validate_json(body)
    except ValidationError:
        excerpt = body[:_EXCERPT_BYTES].decode("utf-8", "replace")
        problem = Problem(status=answer.status, title="The call failed", detail=excerpt)
    return problem_error(answer.status, problem, answer.headers)


def _told(error: ValidationError) -> Iterator[str]:
    """Yield the rule that each field breaks, without its value."""
    for one in error.errors(include_url=False, include_input=False, include_context=False):
        pointer = "".join(f"/{part}" for part in one["loc"])
        yield f"{pointer} {one['type']}: {one['msg']}".strip()
