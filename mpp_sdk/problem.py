"""The problem document of RFC 9457, as every contract defines it."""

from typing import Any

from pydantic import BaseModel, ConfigDict, Field
from pydantic.alias_generators import to_camel


class ProblemField(BaseModel):
    """A field that breaks a rule: a JSON pointer or the name of a parameter or header."""

    pointer: str
    rule: str
    detail: str


class Problem(BaseModel):
    """Why a call failed. Members that a contract does not name are kept in `model_extra`."""

    model_config = ConfigDict(alias_generator=to_camel, populate_by_name=True, extra="allow")

    type: str = "about:blank"
    title: str = ""
    status: int = Field(ge=100, le=599)
    detail: str = ""
    instance: str | None = None
    correlation_id: str | None = None
    errors: list[ProblemField] | None = None
    state: str | None = None
    allowed: list[str] | None = None

    def document(self) -> dict[str, Any]:
        """Return the members that are set, as JSON has them."""
        return self.model_dump(mode="json", by_alias=True, exclude_none=True)
