"""Names the row of somebody's file that an error is about. Reads no file."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from edgekit.errors import ContextOverflow, DataError, EdgekitError, TemplateError, at

_OF_A_ROW = (DataError, ContextOverflow, TemplateError)


@contextmanager
def placed(place: str) -> Iterator[None]:
    """Puts `place` before the message of an error that a row can cause, unless it is there.

    `place` is like rows.csv:12, or empty for a row that comes from no file.
    """
    try:
        yield
    except EdgekitError as error:
        if place and is_of_a_row(error):
            error.args = (error.sentence if place in error.sentence else at(place, error),)
        raise


def is_of_a_row(error: EdgekitError) -> bool:
    """Whether a row's text is the reason, so that other rows may have an answer."""
    # What the tokenizer breaks down on is a plain EdgekitError.
    return isinstance(error, _OF_A_ROW) or type(error) is EdgekitError
