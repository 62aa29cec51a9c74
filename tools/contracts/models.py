"""Generates the pydantic models of a bundled contract."""

import re
import tempfile
from pathlib import Path

from datamodel_code_generator import (
    InputFileType,
    LiteralType,
    PythonVersion,
    generate,
)
from datamodel_code_generator.enums import DataModelType
from datamodel_code_generator.format import DatetimeClassType, Formatter

from tools.contracts.bundle import Json

BY_HAND = frozenset({"Problem", "ProblemField"})
"""The schemas whose class is `mpp_sdk.problem`, the same for every contract."""


def generate_models(document: dict[str, Json]) -> str:
    """Return the source of the models, without a header."""
    with tempfile.TemporaryDirectory() as folder:
        output = Path(folder) / "models.py"
        generate(
            _without_scalars(document),
            input_file_type=InputFileType.OpenAPI,
            output=output,
            output_model_type=DataModelType.PydanticV2BaseModel,
            target_python_version=PythonVersion.PY_311,
            base_class="mpp_sdk.model.Model",
            snake_case_field=True,
            use_specialized_enum=True,
            enum_field_as_literal=LiteralType.Off,
            capitalise_enum_members=True,
            output_datetime_class=DatetimeClassType.Awaredatetime,
            use_annotated=True,
            use_schema_description=True,
            use_field_description=True,
            use_inline_field_description=True,
            type_mappings=["string+uri=string", "string+email=string"],
            use_standard_collections=True,
            use_union_operator=True,
            disable_future_imports=True,
            custom_file_header="# models",
            formatters=[Formatter.RUFF_CHECK, Formatter.RUFF_FORMAT],
        )
        source = output.read_text(encoding="utf-8")
    return source.removeprefix("# models\n").lstrip()


def is_scalar(schema: Json) -> bool:
    """Return whether a schema is a plain value with no class of its own (enums have one)."""
    return (
        isinstance(schema, dict)
        and schema.get("type") in ("string", "integer", "number", "boolean")
        and "enum" not in schema
    )


def _without_scalars(document: dict[str, Json]) -> dict[str, Json]:
    """Return the schemas, with the named plain values written out where they are used.

    The generator would wrap each in a class with a `root`; the name says nothing to Python.
    """
    schemas = document["components"].get("schemas", {})
    scalars = {name: schema for name, schema in schemas.items() if is_scalar(schema)}

    def write_out(node: Json) -> Json:
        if isinstance(node, list):
            return [write_out(item) for item in node]
        if not isinstance(node, dict):
            return node
        name = re.sub("^#/components/schemas/", "", str(node.get("$ref", "")))
        if name in scalars:
            return write_out(scalars[name])
        written = {key: write_out(value) for key, value in node.items()}
        if not isinstance(node.get("example"), dict) or "type" in node:
            written.pop("example", None)  # unless it is a property of that name
        if is_scalar(written.get("items")):
            # The generator would make a class of each constrained item; the edge checks them.
            written["items"] = {
                key: value for key, value in written["items"].items() if key in ("type", "format")
            }
        return written

    kept = {
        name: write_out(schema)
        for name, schema in schemas.items()
        if name not in scalars and name not in BY_HAND
    }
    return {
        "openapi": document["openapi"],
        "info": document["info"],
        "paths": {},
        "components": {"schemas": kept},
    }
