"""What is shown of an exception that ends a run: Python's own traceback, of the strategy's frames, with
files named as in the project."""

import os
import sys
import traceback

_SDK = os.path.dirname(__file__)
#: The folder where the sources were when the component was built, and the author's name of it.
_sources: tuple[str, str] = ("", "")


def name_sources(there: str, here: str) -> None:
    """Says what the author calls the folder of the sources."""
    global _sources
    _sources = (there, here)


def show(error: BaseException) -> None:
    """Prints an exception to stderr."""
    told = traceback.TracebackException.from_exception(error)
    _tidy(told)
    print("".join(told.format()) + _hint(error), file=sys.stderr, end="", flush=True)


def _tidy(told: traceback.TracebackException) -> None:
    kept = [frame for frame in told.stack if not frame.filename.startswith(_SDK)]
    for frame in kept:
        frame.filename = named(frame.filename)
    told.stack = traceback.StackSummary.from_list(kept)
    for other in (told.__cause__, told.__context__, *(told.exceptions or [])):
        if other is not None:
            _tidy(other)


def named(file: str) -> str:
    """The author's name of a source file."""
    there, here = _sources
    if there and file.startswith(there + "/"):
        return os.path.normpath(os.path.join(here, file[len(there) + 1 :]))
    return file


def _hint(error: BaseException) -> str:
    if isinstance(error, ModuleNotFoundError):
        return (
            f"`{error.name}` was not there when the component was built, and nothing can be loaded"
            " later: import it at the top of a module.\n"
        )
    if isinstance(error, LookupError) and "unknown encoding" in str(error):
        return (
            "Nothing can be loaded at run time: import the codec at the top of a module, as"
            " `import encodings.NAME`.\n"
        )
    if isinstance(error, RuntimeError) and "start new thread" in str(error):
        return "There are no threads in a component: delegate, or do one thing after the other.\n"
    return ""
