"""JSON as the contract has it: text in fields whose names end in `_json`."""

import dataclasses
import json
from typing import Any


def dumps(value: Any) -> str:
    """Writes a value as JSON. Dataclasses are objects.

    Raises TypeError or ValueError where JSON cannot express it (NaN is no JSON).
    """
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_plain)


def output_text(output: Any, output_json: str | None) -> str | None:
    """The text of an output that is given as a value or as JSON text; none where there is neither."""
    if output is None:
        return output_json
    if output_json is not None:
        raise ValueError("give `output` or `output_json`, and not both")
    return dumps(output)


def schema_text(schema: Any) -> str | None:
    """The text of a JSON Schema that is given as a value, or as JSON text."""
    return schema if schema is None or isinstance(schema, str) else dumps(schema)


def parsed(text: str | None) -> Any:
    """What a JSON text says; none where there is no text."""
    return None if text is None else json.loads(text)


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    raise TypeError(f"JSON cannot express a {type(value).__name__}: {value!r}")
