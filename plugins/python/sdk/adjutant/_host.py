"""Between the SDK's types and those that are generated for the component.

The generated functions and records carry their types as annotations, and these say how a value is
handed over: a record is built field by field, a variant by the name of its case. What does not fit is
told with its place, before the host sees anything.

Outside of a component there is no host: the modules can be imported, so that parts of a strategy can
be tested by themselves, and a call says that there is none.
"""

import importlib
import importlib.util
import types as python_types
import typing
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, is_dataclass
from typing import Any

from . import errors, types

#: Whether this is a component, or being made one.
INSIDE = importlib.util.find_spec("wit_world") is not None

_U64 = 2**64
#: The contract's fields and arguments that are `u32`; all other numbers are `u64`.
_U32 = {"limit", "attempts", "reassign", "children", "depth", "quorum"}


def function(interface: str, name: str) -> Any:
    """The host's function, taking and giving the SDK's types. A failure is raised as a `HostError`."""
    if not INSIDE:
        return _nowhere(f"{interface}.{name}")
    generated = _generated(interface, name)
    hints = typing.get_type_hints(generated)
    hints.pop("return", None)
    refused = importlib.import_module("componentize_py_types").Err

    def call(*args: Any) -> Any:
        handed = [
            to_host(value, hint, f"{interface}.{name}: {parameter}", parameter)
            for value, (parameter, hint) in zip(args, hints.items(), strict=True)
        ]
        try:
            answer = generated(*handed)
        except refused as error:
            raise from_error(error.value) from None
        return from_host(answer)

    return call


def _generated(interface: str, name: str) -> Callable[..., Any]:
    try:
        module = importlib.import_module(f"wit_world.imports.{interface}")
        found: Callable[..., Any] = getattr(module, name)
    except (ImportError, AttributeError):
        raise ImportError(
            f"`adjutant.{interface}` is not for this plugin's world: plugin.toml says which world it"
            " is, and only a boss delegates, a selector calls nothing."
        ) from None
    return found


def _nowhere(name: str) -> Callable[..., Any]:
    def call(*_: Any) -> Any:
        raise RuntimeError(f"`{name}` needs a host: it can be called in a component alone")

    return call


@dataclass(frozen=True)
class Generated:
    """What the generated code has for the component's own answers."""

    types: Any
    selection: Any
    Err: Any


def generated_types() -> Generated:
    """The generated modules; a component has only those of its world."""
    world = "wit_world.imports"
    selection = importlib.util.find_spec(f"{world}.selection")
    return Generated(
        types=importlib.import_module(f"{world}.types"),
        selection=importlib.import_module(f"{world}.selection") if selection else None,
        Err=importlib.import_module("componentize_py_types").Err,
    )


def to_host(value: Any, hint: Any, where: str, name: str = "") -> Any:
    """What the generated code wants for a value of the SDK's."""
    if typing.get_origin(hint) in (typing.Union, python_types.UnionType):
        cases = [case for case in typing.get_args(hint) if case is not type(None)]
        if value is None and len(cases) < len(typing.get_args(hint)):
            return None
        if len(cases) > 1:
            return _case(value, cases, where)
        hint = cases[0]
    if typing.get_origin(hint) is list:
        if isinstance(value, (str, bytes)) or not isinstance(value, Sequence):
            raise _misfit(where, "a list", value)
        (item,) = typing.get_args(hint)
        return [to_host(one, item, f"{where}[{i}]") for i, one in enumerate(value)]
    if is_dataclass(hint):
        return _record(value, typing.cast(type, hint), where)
    if hint is int:
        most = 2**32 if name in _U32 else _U64
        if isinstance(value, bool) or not isinstance(value, int):
            raise _misfit(where, "a whole number", value)
        if not 0 <= value < most:
            raise ValueError(f"{where} must be from 0 to {most - 1}, and is {value}")
        return value
    if hint is str and isinstance(value, str):
        # A word of an enumeration is a string of another class.
        return str(value) if type(value) is not str else value
    if hint is bytes and isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    if hint is bool and isinstance(value, bool):
        return value
    raise _misfit(where, {str: "a string", bytes: "bytes", bool: "a bool"}.get(hint, hint), value)


def _record(value: Any, generated: type, where: str) -> Any:
    ours = getattr(types, generated.__name__, None)
    if ours is not None and not isinstance(value, ours):
        raise _misfit(where, f"a {ours.__name__}", value)
    hints = typing.get_type_hints(generated)
    parts = {
        name: to_host(getattr(value, name), hint, f"{where}.{name}", name)
        for name, hint in hints.items()
    }
    return generated(**parts)


def _case(value: Any, cases: list[Any], where: str) -> Any:
    variant = cases[0].__name__.partition("_")[0]
    named = {case.__name__.partition("_")[2]: case for case in cases}
    if isinstance(value, (types.Join, types.Author)):
        kind, payload = value.kind, value.value
    elif isinstance(value, str):
        kind, payload = str(value), None
        if _pascal(kind) not in named or kind == "other":
            kind, payload = "other", kind
    else:
        raise _misfit(where, f"a {variant}", value)
    case = named.get(_pascal(kind))
    if case is None:
        raise ValueError(f"{where}: a {variant} cannot be {kind!r}")
    hints = typing.get_type_hints(case)
    if not hints:
        return case()
    return case(to_host(payload, hints["value"], f"{where} ({kind})", kind))


def _misfit(where: str, wanted: object, value: Any) -> TypeError:
    return TypeError(f"{where} must be {wanted}, and is a {type(value).__name__}")


def from_host(value: Any) -> Any:
    """The SDK's value for one of the generated code's."""
    if isinstance(value, list):
        return [from_host(one) for one in value]
    if not is_dataclass(value):
        return value
    variant, _, case = type(value).__name__.partition("_")
    ours = getattr(types, variant)
    if not case:
        parts = {field.name: from_host(getattr(value, field.name)) for field in fields(value)}
        return ours(**parts)
    payload = getattr(value, "value", None)
    if issubclass(ours, types.Word):
        return ours(payload if case == "Other" else _kebab(case))
    return ours(_kebab(case), payload)


def from_error(failed: Any) -> errors.HostError:
    """The exception for the contract's `error`."""
    ours = getattr(errors, type(failed).__name__.partition("_")[2], errors.Other)
    error: errors.HostError = ours(from_host(failed.value))
    return error


def _pascal(kind: str) -> str:
    return "".join(part.capitalize() for part in kind.split("-"))


def _kebab(case: str) -> str:
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in case).lstrip("-")
