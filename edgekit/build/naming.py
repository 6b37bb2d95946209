"""Says in an error what a folder of the step store is to the user. Opens none."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from edgekit.errors import EdgekitError
from edgekit.system import paths


@contextmanager
def own_words(names: Mapping[Path, str | Path]) -> Iterator[None]:
    """Replaces folders of the store in the message of an error that passes through.

    `names` may grow meanwhile: by folder, the user's own folder that it was copied from, or what it
    holds. What else is named of the store is called finished work: its keys tell nobody anything.
    """
    try:
        yield
    except EdgekitError as error:
        error.args = (said(str(error), names), *error.args[1:])
        raise


def said(message: str, names: Mapping[Path, str | Path]) -> str:
    """The message, with own folders and names of steps instead of the store's folders."""
    known = {str(folder): name for folder, name in names.items()}
    inside = rf"{re.escape(str(paths.store_dir()) + os.sep)}[0-9a-f]{{16,}}(?:\.[a-z]+)?"
    longest = sorted(map(re.escape, known), key=len, reverse=True)
    pattern = rf"(?P<folder>{'|'.join([*longest, inside])})(?:[\\/](?P<file>[\w.\\/-]*\w))?"

    def told(match: re.Match[str]) -> str:
        name, file = known.get(match["folder"], "finished work"), match["file"]
        if isinstance(name, Path):
            return str(name / file if file else name)
        return f"{file} of {name}" if file else name

    return re.sub(pattern, told, message)
