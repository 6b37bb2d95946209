"""`edgekit classify`: labels with scores, for texts on the command line or a whole file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from edgekit.cli import DONE, USAGE
from edgekit.cli.arguments import add_reading, count, reading_of
from edgekit.cli.output import messages, print_json
from edgekit.cli.terminal import printable
from edgekit.data.inputs import shown
from edgekit.errors import UnsupportedTask
from edgekit.tables import ENGINES
from edgekit.wording.language_names import language_name

if TYPE_CHECKING:
    from edgekit.artifact.manifest import Manifest
    from edgekit.data.inputs import Input
    from edgekit.model import Model
    from edgekit.tasks.classification.answer import Answer


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("artifact", type=Path, metavar="ARTIFACT", help="an artifact's folder")
    parser.add_argument("texts", nargs="*", metavar="TEXT", help="what to label")
    parser.add_argument(
        "--pair",
        action="append",
        default=[],
        metavar="TEXT",
        help="the second text, for an artifact that takes pairs; once for each TEXT",
    )
    parser.add_argument(
        "--file",
        type=Path,
        metavar="IN",
        help="a table (CSV, xlsx, ods, JSONL, Parquet): label every row",
    )
    parser.add_argument(
        "--column", default="text", metavar="C", help="the column with the texts (default: text)"
    )
    parser.add_argument(
        "--pair-column",
        default="text_pair",
        metavar="C",
        help="the column with the second texts, for an artifact that takes pairs (default: "
        "text_pair)",
    )
    parser.add_argument(
        "--out", type=Path, metavar="OUT", help="where the rows go, with label, score, abstained"
    )
    parser.add_argument("--overwrite", action="store_true", help="replace OUT if it is there")
    parser.add_argument(
        "--abstain-below",
        type=float,
        metavar="SCORE",
        help="mark answers with a lower score, 0 to 1 (default: the artifact's own)",
    )
    parser.add_argument(
        "--labels",
        type=labels_of,
        metavar="a,b,c",
        help="the labels to choose from, for a chat artifact",
    )
    parser.add_argument(
        "--engine",
        choices=list(ENGINES),
        help="label a Parquet file in parts, into the folder OUT: by this process, or by workers "
        "of Ray or Dask, here or on other machines",
    )
    parser.add_argument(
        "--workers", type=count, metavar="N", help="for --engine: processes here (default: cores)"
    )
    parser.add_argument(
        "--address", metavar="HOST:PORT", help="for --engine: a running cluster's, instead"
    )
    parser.add_argument(
        "--part-rows",
        type=count,
        metavar="N",
        help="for --engine: rows of a part, which a killed worker costs (default: 20,000)",
    )
    add_reading(parser)
    parser.add_argument("--threads", type=int, metavar="N", help="cores to use")
    parser.add_argument("--json", action="store_true", help="JSON on stdout")


def labels_of(text: str) -> tuple[str, ...]:
    """What `--labels` takes."""
    return tuple(label.strip() for label in text.split(","))


def run(settings: argparse.Namespace) -> int:
    wrong = _wrong_usage(settings)
    if wrong:
        messages().print(f"edgekit classify: {wrong}", soft_wrap=True)
        return USAGE
    import edgekit  # the engine: not for `--help`

    if settings.engine is not None:
        return _classify_parts(settings)
    with edgekit.load(settings.artifact, threads=settings.threads) as model:
        check_labels(model, settings)
        _check_pairs(model, settings)
        if settings.file is not None:
            return _classify_file(model, settings)
        return _classify_texts(model, settings)


def _classify_parts(settings: argparse.Namespace) -> int:
    from edgekit.distributed import parts, run  # the engine: not for `--help`
    from edgekit.distributed.handle import Handle

    given = {"abstain_below": settings.abstain_below, "labels": settings.labels}
    options = {name: value for name, value in given.items() if value is not None}
    if "labels" in options:
        options["labels"] = list(options["labels"])
    handle = Handle(
        settings.artifact, column=settings.column, options=options, threads=settings.threads
    )
    if "label" not in handle.columns:
        raise UnsupportedTask(
            f"{settings.artifact}: this artifact has no labels of its own; a chat artifact takes "
            "those to choose from: --labels a,b,c"
        )
    with _bar() as bar:
        task = bar.add_task("")
        result = run.answer_file(
            handle,
            settings.file,
            settings.out,
            workers=run.Workers(settings.engine, settings.workers, settings.address),
            rows_of_a_part=settings.part_rows or parts.ROWS,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    if settings.json:
        print_json(result.as_json())
        return DONE
    notes = {
        "parts done by an earlier run": result.reused_parts,
        "rows without a label, see the column 'error'": result.errors,
    }
    said = "".join(f"; {number} {note}" for note, number in notes.items() if number)
    sys.stdout.write(f"{result.path}: {result.rows} rows in {result.parts} parts{said}\n")
    return DONE


def check_labels(model: Model, settings: argparse.Namespace) -> None:
    """Raises UnsupportedTask where there are no labels to choose from, or twice."""
    chats = model.manifest.task == "chat"
    if settings.labels is not None and not chats:
        raise UnsupportedTask(
            f"'{model.manifest.name}' is a classifier with labels of its own "
            f"({', '.join(model.manifest.labels)}); leave out --labels, which is for chat "
            "artifacts."
        )
    if settings.labels is None and chats:
        raise UnsupportedTask(
            f"'{model.manifest.name}' is a chat artifact without labels of its own; say which to "
            "choose from: --labels a,b,c"
        )


def _check_pairs(model: Model, settings: argparse.Namespace) -> None:
    name, pairs = model.manifest.name, model.manifest.model.pairs
    if settings.pair and not pairs:
        raise UnsupportedTask(f"'{name}' takes single texts, not pairs; leave out --pair.")
    if pairs and settings.texts and not settings.pair:
        raise UnsupportedTask(
            f"'{name}' takes pairs of texts; give the second with --pair, or a file with both "
            "(--file)."
        )


def _wrong_usage(settings: argparse.Namespace) -> str:
    if settings.file is None and not settings.texts:
        return "give one or more texts, or a file with --file IN --out OUT."
    if settings.file is not None and settings.texts:
        return "give texts or --file, not both."
    if settings.file is not None and settings.pair:
        return "--pair is for texts; a file has the second texts in a column (--pair-column C)."
    if settings.pair and len(settings.pair) != len(settings.texts):
        return f"give --pair once for each text: {len(settings.texts)} times."
    if settings.file is not None and settings.out is None:
        return "--file needs --out OUT for the labelled rows."
    if settings.engine is not None and settings.file is None:
        return "--engine is for --file IN.parquet --out DIR."
    if settings.engine is not None and settings.overwrite:
        return "--overwrite is not for --engine: delete the folder OUT to begin anew."
    for_engines = (settings.workers, settings.address, settings.part_rows)
    if settings.engine is None and any(one is not None for one in for_engines):
        return "--workers, --address and --part-rows are for --engine."
    if settings.file is None and (settings.out is not None or settings.overwrite):
        return "--out and --overwrite are for --file."
    return ""


def _classify_texts(model: Model, settings: argparse.Namespace) -> int:
    floor, given = settings.abstain_below, settings.texts
    if settings.pair:
        given = list(zip(settings.texts, settings.pair, strict=True))
    if len(given) == 1:
        answers = [model.classify(given[0], abstain_below=floor, labels=settings.labels)]
    else:
        answers = list(model.classify(given, abstain_below=floor, labels=settings.labels))
    if settings.json:
        values = [answer.as_json() for answer in answers]
        print_json(values[0] if len(values) == 1 else values)
    else:
        languages = [_unjudged(model.manifest, one) for one in given]
        lines = _lines(list(map(shown, given)), answers, languages)
        sys.stdout.writelines(f"{line}\n" for line in lines)
    return DONE


def _unjudged(manifest: Manifest, given: Input) -> str | None:
    """The language of a text, if it is none that this classifier was judged in."""
    from edgekit.tasks.classification.judged_in import unjudged  # the engine: not for `--help`

    return unjudged(manifest, given) if manifest.labels else None


def _lines(
    texts: Sequence[str], answers: Sequence[Answer], languages: Sequence[str | None]
) -> list[str]:
    """One line per answer: the label first, so that it can be cut out, the text last, if any."""
    named = [", ".join(answer.labels) or "–" for answer in answers]
    width = max(map(len, named))
    lines = []
    for text, name, answer, language in zip(texts, named, answers, languages, strict=True):
        line = f"{name:{width}}  {answer.score:6.1%}"
        if answer.abstained:
            line += "  (not sure)"
        if answer.familiar is False:
            line += "  (like nothing it was taught)"
        if language is not None:
            line += f"  (not judged in {language_name(language)})"
        if answer.parts > 1:
            line += f"  (read in {answer.parts} parts)"
        lines.append(line if len(texts) == 1 else f"{line}  {printable(text)}")
    return lines


def _bar() -> Progress:
    return Progress(
        TextColumn("labelling"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeRemainingColumn(),
        console=messages(),
        disable=not sys.stderr.isatty(),
    )


def _classify_file(model: Model, settings: argparse.Namespace) -> int:
    from edgekit.tasks.classification.file import classify_file  # the engine: not for `--help`

    reading = reading_of(settings, settings.file)
    with _bar() as bar:
        task = bar.add_task("")
        result = classify_file(
            model,
            settings.file,
            settings.out,
            column=settings.column,
            pair_column=settings.pair_column,
            abstain_below=settings.abstain_below,
            labels=settings.labels,
            overwrite=settings.overwrite,
            reading=reading,
            on_progress=lambda done, total: bar.update(task, completed=done, total=total),
        )
    for note in result.notes:
        messages().print(printable(f"{result.path}: {note}.", most=500), soft_wrap=True)
    if settings.json:
        print_json(result.as_json())
        return DONE
    notes = {
        "done by an earlier run": result.resumed_rows,
        "without text, so without a label": result.empty_rows,
        "not sure": result.abstained_rows,
        "like nothing it was taught": result.unfamiliar_rows,
    }
    said = "".join(f"; {count} {note}" for note, count in notes.items() if count)
    sys.stdout.write(f"{result.path}: {result.rows} rows{said}\n")
    return DONE
