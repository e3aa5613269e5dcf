"""How a component begins and ends: used by the module that `adjutant plugin build` generates.

The interpreter is started once, when the component is built: the strategy's modules are imported, and
what is then in memory is the component. Each run starts from that memory. So whatever must be there at
run time is loaded here: modules that functions import when they are called, codecs, the sources' lines
for tracebacks.
"""

import gc
import importlib
import importlib.util
import linecache
import os
import random
import re
import sys
import time
from collections.abc import Iterator
from typing import Any, NoReturn

from . import _host, _trouble, errors, types
from .strategy import MARKED, Marked

#: What Python imports by itself when it is needed.
_LATE = [
    "_strptime",
    "encodings.ascii",
    "encodings.cp1252",
    "encodings.idna",
    "encodings.latin_1",
    "encodings.raw_unicode_escape",
    "encodings.unicode_escape",
    "encodings.utf_16",
    "encodings.utf_32",
    "encodings.utf_8_sig",
]
#: Not loaded because something else of Python's library may want them: large, and of no use here.
_USELESS = {
    "asyncio",
    "concurrent",
    "ctypes",
    "doctest",
    "http",
    "multiprocessing",
    "pdb",
    "pydoc",
    "socket",
    "ssl",
    "subprocess",
    "test",
    "threading",
    "tkinter",
    "turtle",
    "unittest",
    "urllib",
    "webbrowser",
}

#: Importing them does something; a text that names them is enough to be taken for an import.
_JOKES = {"antigravity", "this"}


class BuildError(Exception):
    """Why the project makes no component, as a sentence."""


def build(world: str, module: str, source: str) -> type:
    """Imports the strategy and gives back the class that the component exports. `source` is the folder
    of the strategy's modules, as the project's author calls it."""
    author = importlib.import_module(module)
    _trouble.name_sources(os.path.dirname(str(author.__file__)), source)
    marked = _only(world, str(author.__file__))
    _load_late(module)
    _remember_sources()
    setattr(time, "sleep", _no_sleep)
    # What stands now stays: no collection looks at it, so runs share its memory.
    gc.collect()
    gc.freeze()
    exported = _choose(marked) if world == "selector" else _work(marked)
    return type("WitWorld", (), exported)


def _only(world: str, file: str) -> Marked:
    if not MARKED:
        name = "choose" if world == "selector" else "work"
        raise BuildError(
            f"{_trouble.named(file)} marks no function as its strategy: put `@{world}` (from adjutant)"
            f" before `def {name}(...)`."
        )
    if len(MARKED) > 1:
        places = ", ".join(f"{_place(one)} (@{one.world})" for one in MARKED)
        raise BuildError(f"More than one function is marked as the strategy: {places}.")
    (marked,) = MARKED
    if marked.world != world:
        raise BuildError(
            f'plugin.toml says `world = "{world}"`, and {_place(marked)} is marked'
            f" `@{marked.world}`: change one of them."
        )
    return marked


def _place(marked: Marked) -> str:
    code = marked.function.__code__
    where = f"{_trouble.named(code.co_filename)}:{code.co_firstlineno}"
    return f"`{marked.function.__name__}` at {where}"


def _work(marked: Marked) -> dict[str, Any]:
    generated = _host.generated_types()

    def work(_self: object, task: Any) -> Any:
        begin()
        try:
            report = marked.function(_host.from_host(task))
            if not isinstance(report, types.Report):
                raise TypeError(
                    f"{_place(marked)} returned a {type(report).__name__}, and has to return a Report"
                )
            return generated.types.Report(report.summary, report.output_json)
        except errors.Failure as failure:
            told = generated.types.Failure(failure.summary, failure.output_json)
        except errors.HostError as error:
            _trouble.show(error)
            told = generated.types.Failure(str(error), None)
        except BaseException as error:  # whatever it was, the run ends here
            _end(error)
        raise generated.Err(told)

    return {"work": work}


def _choose(marked: Marked) -> dict[str, Any]:
    generated = _host.generated_types()

    def choose(_self: object, task: Any, candidates: Any) -> Any:
        begin()
        try:
            choices = marked.function(_host.from_host(task), _host.from_host(candidates))
            hint = list[generated.selection.Choice]  # type: ignore[name-defined]
            return _host.to_host(choices, hint, f"what {_place(marked)} returned")
        except errors.Failure as failure:
            told = failure.summary
        except BaseException as error:  # whatever it was, the call ends here
            _end(error)
        raise generated.Err(told)

    return {"choose": choose}


def begin() -> None:
    """What a run has of its own: randomness that follows from the run, as the host gives it."""
    random.seed(os.urandom(32))


def _end(error: BaseException) -> NoReturn:
    """Ends the run as broken. The host tells the end of what was printed: the traceback."""
    _trouble.show(error)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(1)


def _no_sleep(seconds: float, /) -> None:
    if seconds > 0:
        raise RuntimeError(
            "time.sleep: time does not pass inside a run. Wait for something instead:"
            " delegation.await_reports or channels.ask, each with timeout_ms"
        )


def _load_late(module: str) -> None:
    for name in _LATE:
        importlib.import_module(name)
    # The strategy's own modules and what it brings along, to the end; of Python's library what those
    # name, and what is named there once more.
    seen: set[str] = set()
    while fresh := [name for name in list(sys.modules) if name not in seen and _ours(name)]:
        for name in fresh:
            seen.add(name)
            for wanted in _named_in(name):
                if _load(wanted) and _standard(wanted) and wanted not in seen:
                    seen.add(wanted)
                    for next_one in _named_in(wanted):
                        if next_one.partition(".")[0] not in _USELESS:
                            _load(next_one)


def _ours(name: str) -> bool:
    """Whether a module is the strategy's, or of a package that the strategy brings along."""
    file = getattr(sys.modules.get(name), "__file__", None)
    return isinstance(file, str) and not file.startswith(_NOT_OURS)


_IMPORT = re.compile(r"\s+(?:import\s+([\w., ]+)|from\s+([\w.]+)\s+import\s+\(?([\w, ]*))")
_NOT_OURS = ("/python/", "/bundled/", "/world/", os.path.dirname(__file__))


def _standard(name: str) -> bool:
    return name.partition(".")[0] in sys.stdlib_module_names


def _load(name: str) -> bool:
    """Imports what may be wanted later; what cannot be had is told when it is wanted."""
    if name in _JOKES:
        return False
    try:
        importlib.import_module(name)
    except BaseException:  # a module that is not for this place may end in any way
        return False
    return True


def _named_in(name: str) -> Iterator[str]:
    """The modules that a module's source imports inside of its functions. What only looks so, in a text,
    does no harm. (Parsing would be exact, and leave megabytes of used memory in the component.)"""
    module = sys.modules.get(name)
    package = str(getattr(module, "__package__", None) or "")
    try:
        with open(str(getattr(module, "__file__", "")), encoding="utf-8") as file:
            found = [match for line in file if (match := _IMPORT.match(line))]
    except (OSError, UnicodeDecodeError):
        return
    for match in found:
        plain, base, names = match.groups()
        if plain:
            yield from (one.split(" as ")[0].strip() for one in plain.split(","))
            continue
        try:
            base = importlib.util.resolve_name(base, package)
        except ImportError:
            continue
        yield base
        there = sys.modules.get(base)
        for one in names.split(","):
            one = one.split(" as ")[0].strip()
            if one and hasattr(there, "__path__") and not hasattr(there, one):
                yield f"{base}.{one}"


def _remember_sources() -> None:
    """Keeps the lines of the strategy's sources, for tracebacks: there are no files at run time."""
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if _ours(name) and isinstance(file, str) and file.endswith(".py"):
            lines = linecache.getlines(file)
            # Without a time, it is never looked for again.
            linecache.cache[file] = (sum(map(len, lines)), None, lines, file)
