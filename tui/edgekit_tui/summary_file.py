"""A summary as a document for the user: plain text or Markdown. Draws nothing."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from edgekit_tui import places
from edgekit_tui.i18n import _, number, percent
from edgekit_tui.summarizing import Made, Passage, SummaryJob
from edgekit_tui.text import clean, one_line

ENDINGS = (".txt", ".md")
_BEGINNING = 0.005


def export(made: Made, job: SummaryJob, out: Path) -> None:
    """In the order in which it was written, whichever way the screen turns it.

    Raises DataError if `out` exists: none of the user's files is overwritten.
    """
    markdown = out.suffix.lower() == ".md"
    with places.written_whole(out) as stream:
        for block in _blocks(made, job, markdown=markdown):
            stream.write(f"{clean(block)}\n")


def _blocks(made: Made, job: SummaryJob, *, markdown: bool) -> Iterator[str]:
    title = _("Summary: {name}").format(name=one_line(job.name)) if job.name else _("Summary")
    yield f"# {title}\n" if markdown else f"{title}\n"
    yield f"{clean(made.summary.text)}\n"
    yield from (f"- {note}" if markdown else note for note in notes(made, job))
    heading = _("Where it stands in the text")
    yield f"\n## {heading}\n" if markdown else f"\n{heading}\n"
    for place, (sentence, those) in enumerate(
        zip(made.summary.sentences, made.passages, strict=True), 1
    ):
        yield f"{place}. {one_line(sentence.text, most=2000)}"
        for passage in those:
            quoted = f"{clean(passage.text)} ({where(passage)})"
            yield f"   > {quoted}" if markdown else f"   {quoted}"


def notes(made: Made, job: SummaryJob) -> list[str]:
    """What a reader should know before trusting it."""
    summary = made.summary
    said = [_("{read} of {parts} parts read").format(
        read=number(summary.parts_read), parts=number(summary.parts)
    )]  # fmt: skip
    if summary.cancelled:
        said = [stopped(made)]
    return [*said, *checks(made, job)]


def stopped(made: Made) -> str:
    text = _("Stopped: it stands on {read} of {parts} parts of the text.")
    return text.format(read=number(made.summary.parts_read), parts=number(made.summary.parts))


def checks(made: Made, job: SummaryJob) -> list[str]:
    """What should be looked at, a sentence each."""
    summary = made.summary
    strange = _("Not in the text, so check: {names}.")
    names = ", ".join(one_line(name, most=60) for name in summary.flagged)
    return [
        *([strange.format(names=names)] if names else []),
        *(one_line(text, most=500) for text in (*job.document.warnings, *summary.warnings)),
    ]


def where(passage: Passage) -> str:
    if passage.page is not None:
        return _("page {page}").format(page=number(passage.page))
    if passage.share < _BEGINNING:
        return _("at the beginning")
    return _("after {share} of the text").format(share=percent(passage.share))
