"""Runs componentize-py, and tells an error as the author would see it: Python's own traceback, with the
files' names as in the project and without the frames of the machinery.

Arguments: a JSON object `{"<mount>": "<folder as the author calls it>"}`, then componentize-py's own. A
folder on its search path is mounted under its number; a frame in one that is not named is left out.
"""

import json
import re
import sys

from componentize_py import script

FRAME = re.compile(r'  File "([^"]*)"')
MACHINERY = ("<frozen ", "/python/importlib/", "/world/", "/bundled/")
OURS = "adjutant._component.BuildError: "
MISSING = "ModuleNotFoundError: No module named "


def main():
    folders = json.loads(sys.argv.pop(1))
    sys.argv[0] = "componentize-py"
    try:
        sys.exit(script())
    except AssertionError as error:
        # What went on in the Rust code below is of no use to the author.
        text = str(error).partition("\n\nCaused by:")[0]
        sys.exit(tidy(text.partition("\n\nStack backtrace:")[0], folders))


def tidy(text, folders):
    """The text of an error without the machinery's frames."""
    lines, dropping = [], False
    for line in text.rstrip().splitlines():
        frame = FRAME.match(line)
        if frame:
            name = named(frame.group(1), folders)
            dropping = name is None
            if name is not None:
                lines.append(line.replace(frame.group(1), name, 1))
        elif not (dropping and line.startswith("    ")):
            dropping = False
            lines.append(line)
    if lines and lines[-1].startswith(OURS):
        return lines[-1][len(OURS) :]
    if lines and lines[-1].startswith(MISSING):
        lines.append(
            "A package comes from requirements.txt, and has to be pure Python; a module of your own"
            " stands beside the main source file. Python itself is version 3.14, without ssl, ctypes,"
            " lzma and bz2."
        )
    return "\n".join(lines)


def named(file, folders):
    """The author's name of a file; none where it is the machinery's."""
    mount = re.match(r"/(\d+)/", file)
    if mount:
        folder = folders.get(mount.group(1))
        rest = file[mount.end() :]
        return None if folder is None else f"{folder}/{rest}" if folder else rest
    return None if file.startswith(MACHINERY) else file


main()
