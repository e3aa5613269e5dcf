"""An agent's own durable notes, kept from ticket to ticket. No other agent sees them."""

from collections.abc import Callable
from typing import Any

from ._host import function
from ._json import dumps, parsed

_get: Callable[[str], bytes | None] = function("memory", "get")
_put: Callable[[str, bytes], None] = function("memory", "put")
_remove: Callable[[str], None] = function("memory", "remove")
_keys: Callable[[str], list[str]] = function("memory", "keys")


def get(key: str) -> bytes | None:
    """What is kept under a key; None where nothing is. Returns at once.

    Raises `Limit` where the key is too long.
    """
    return _get(key)


def put(key: str, value: bytes) -> None:
    """Keep a value under a key, replacing what was there. Returns at once.

    Raises `Limit` where the key or the value is too long, or the agent's memory is full.
    """
    _put(key, value)


def get_json(key: str, default: Any = None) -> Any:
    """What `put_json` has kept under a key; `default` where nothing is. Raises as `get`."""
    value = _get(key)
    return default if value is None else parsed(value.decode())


def put_json(key: str, value: Any) -> None:
    """Keep a value as JSON under a key. Raises as `put`."""
    _put(key, dumps(value).encode())


def remove(key: str) -> None:
    """Forget a key. Returns at once, whether it was there or not.

    Raises `Limit` where the key is too long.
    """
    _remove(key)


def keys(prefix: str = "") -> list[str]:
    """The keys that begin so, in order; at most 1,000. Returns at once."""
    return _keys(prefix)
