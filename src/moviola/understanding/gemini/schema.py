"""JSON schemas as Gemini takes them: a part of the vocabulary, the rest is refused.

https://ai.google.dev/gemini-api/docs/structured-output, and `response_json_schema` in google-genai 3.4.0.
What is left out here is not lost: an answer is held to the whole schema when it has come.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

_PLAIN = (
    "$id",
    "$ref",
    "$anchor",
    "type",
    "format",
    "title",
    "description",
    "enum",
    "minItems",
    "maxItems",
    "minimum",
    "maximum",
    "required",
)

_ONE = ("items", "additionalProperties")

_MANY = ("prefixItems", "anyOf", "oneOf")

_NAMED = ("properties", "$defs")


def taken(schema: Any) -> Any:
    """What of a schema Gemini takes. It says nothing more than the whole does."""
    if not isinstance(schema, Mapping):
        return schema
    if "$ref" in schema:
        # Beside a reference nothing else may stand, but for what begins with a dollar sign.
        schema = {name: value for name, value in schema.items() if name.startswith("$")}
    said: dict[str, Any] = {}
    if "const" in schema and "enum" not in schema:
        said["enum"] = [schema["const"]]
    for name, value in schema.items():
        if name in _PLAIN:
            said[name] = value
        elif name in _ONE:
            said[name] = taken(value)
        elif name in _MANY and isinstance(value, list):
            said[name] = [taken(each) for each in value]
        elif name in _NAMED and isinstance(value, Mapping):
            said[name] = {each: taken(inner) for each, inner in value.items()}
    return said
