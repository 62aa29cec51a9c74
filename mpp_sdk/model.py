"""The base of every generated model."""

from pydantic import BaseModel, ConfigDict


class Model(BaseModel):
    """A value of a contract: snake_case in Python, camelCase on the wire."""

    model_config = ConfigDict(populate_by_name=True)

    def to_json(self) -> bytes:
        """Return the model as the contract has it on the wire; what is None is left out."""
        return self.model_dump_json(by_alias=True, exclude_none=True).encode()
