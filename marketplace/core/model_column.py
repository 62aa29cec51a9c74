"""Values of a contract as a column: a model is written as JSON and read as a model again."""

import json
from typing import Any, TypeVar

from sqlalchemy import JSON, Dialect
from sqlalchemy.types import TypeDecorator

from mpp_sdk.model import Model

M = TypeVar("M", bound=Model)


class ModelColumn(TypeDecorator[M]):
    """A column that holds a model, as it is on the wire. A changed model is assigned anew."""

    impl = JSON
    cache_ok = True

    def __init__(self, model: type[M]) -> None:
        super().__init__(none_as_null=True)
        self.model = model

    def process_bind_param(self, value: M | None, dialect: Dialect) -> Any:
        """Return the model's JSON value."""
        return None if value is None else json.loads(value.to_json())

    def process_result_value(self, value: Any, dialect: Dialect) -> M | None:
        """Return the model that was stored."""
        return None if value is None else self.model.model_validate(value)
