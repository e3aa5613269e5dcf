"""The contract's values as JSON, by the rules of `tests/conformance/SCRIPT.md`."""

import collections.abc
import types
import typing
from dataclasses import fields, is_dataclass
from typing import Any

from adjutant import Author, Join
from adjutant.types import Word

_EXACT = 2**53 - 1


def to_json(value: Any) -> Any:
    """What an answer is in JSON."""
    if isinstance(value, Word):
        return str(value) if value.known else {"other": str(value)}
    if isinstance(value, (Join, Author)):
        return value.kind if value.value is None else {value.kind: to_json(value.value)}
    if isinstance(value, bool) or value is None or isinstance(value, str):
        return value
    if isinstance(value, int):
        return value if value <= _EXACT else str(value)
    if isinstance(value, bytes):
        return value.hex()
    if isinstance(value, list):
        return [to_json(one) for one in value]
    return {
        field.name.rstrip("_").replace("_", "-"): to_json(getattr(value, field.name))
        for field in fields(value)
    }


def from_json(value: Any, hint: Any) -> Any:
    """The SDK's value of that type for an argument."""
    origin = typing.get_origin(hint)
    if origin in (typing.Union, types.UnionType):
        if value is None:
            return None
        named = [one for one in typing.get_args(hint) if one is not type(None)]
        # What may be several things is a schema, and that is a text in a script.
        return from_json(value, named[0]) if len(named) == 1 else value
    if origin in (list, collections.abc.Sequence):
        (item,) = typing.get_args(hint)
        return [from_json(one, item) for one in value]
    if hint is int:
        return int(value)
    if hint is bytes:
        return bytes.fromhex(value)
    if hint is Join:
        ((kind, payload),) = value.items() if isinstance(value, dict) else ((value, None),)
        return Join(kind, payload if payload is None or kind == "other" else int(payload))
    if isinstance(hint, type) and issubclass(hint, Word):
        return hint(value["other"] if isinstance(value, dict) else value)
    if is_dataclass(hint):
        hints = typing.get_type_hints(hint)
        parts = {}
        for name, part in value.items():
            name = name.replace("-", "_")
            name = "expected_output_schema" if name == "expected_output_schema_json" else name
            parts[name] = from_json(part, hints[name])
        return typing.cast(type, hint)(**parts)
    return value
