"""The heavy half of `trim_vocab`: chooses, cuts, and proves what is left."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from edgekit.checkpoint import frames, licences, widths
from edgekit.checkpoint.decoders import DECODERS
from edgekit.data import declaration, inputs
from edgekit.data.rows import Row, read_texts
from edgekit.errors import StepError
from edgekit.job.events import part
from edgekit.job.job import Job
from edgekit.steps.trim_vocab import sides
from edgekit.steps.trim_vocab.sides import Side
from edgekit.steps.trim_vocab.vocabulary import (
    configs,
    deciding,
    documents,
    held_out,
    pieces,
    required,
    surgery,
    tables,
)
from edgekit.steps.trim_vocab.vocabulary.deciding import Kind, OwnTexts
from edgekit.steps.trim_vocab.vocabulary.encoder import EncoderKind
from edgekit.steps.trim_vocab.vocabulary.held_out import HeldOut
from edgekit.steps.trim_vocab.vocabulary.pieces import Vocabulary
from edgekit.steps.trim_vocab.vocabulary.proof import Compared, Text, Tokenizers, check_bounds
from edgekit.steps.trim_vocab.vocabulary.settings import TrimVocabSettings
from edgekit.tables import Family

# The key of texts without a language in a proof.
NO_LANGUAGE = "other"
CARRIED = (
    "special_tokens_map.json", widths.FILE, "chat_template.jinja", "chat_template.json",
)  # fmt: skip


@dataclass(frozen=True)
class Half:
    """One tokenizer of the checkpoint, and the texts that choose among its pieces."""

    side: Side
    vocabulary: Vocabulary
    own: OwnTexts


@dataclass(frozen=True)
class Trimmed:
    """The old id of each row that is left, in the new order, and the sources of the choice."""

    rows: tuple[int, ...]
    frequencies: Mapping[str, list[str]]
    notes: tuple[str, ...]

    @property
    def new(self) -> dict[int, int]:
        return {old: number for number, old in enumerate(self.rows)}


def run(settings: TrimVocabSettings, job: Job) -> dict[str, Any]:
    """Writes the trimmed checkpoint into `job.out`. Raises StepError where it cannot be proven."""
    kind, halves = _kind(job), [_half(settings, job, side) for side in sides.of(job)]
    trimmed = _choose(settings, job, kind, halves)
    job.on_progress(0.6)
    _write(job, trimmed, halves)
    job.on_progress(0.7)
    both = [_both(job, trimmed, half) for half in halves]
    compared = {
        half.side.named(name): one
        for half, own in zip(halves, both, strict=True)
        for name, one in _compare_tokens(settings, job, own, half, kind).items()
    }
    job.on_progress(0.8)
    first = halves[0]
    read = {name: one for name, one in compared.items() if name in first.side.languages}
    read |= {name: one for name, one in compared.items() if len(halves) == 1}
    frequencies, rows, notes = trimmed.frequencies, len(trimmed.rows), trimmed.notes
    prove = kind.proof(job, read, both[0], trimmed.rows)
    listed = [half.side.named(name) for half in halves for name in half.side.languages]
    del first, halves, trimmed, both  # a large vocabulary takes as much memory as a small model
    record = _record(job, compared, frequencies, listed=listed, rows=rows, answered=prove())
    return {**record, "notes": [*notes, *record["notes"]]}


def _half(settings: TrimVocabSettings, job: Job, side: Side) -> Half:
    size = job.description.vocabulary
    vocabulary = pieces.read(job.checkpoint / side.file, without=_surplus(job))
    if max(vocabulary.tokens) >= size:
        raise StepError(
            f"{job.checkpoint}: the tokenizer numbers a piece {max(vocabulary.tokens):,} and the "
            f"embedding has {size:,} rows; save model and tokenizer together again."
        )
    return Half(side, vocabulary, _own_texts(settings, job, _kind(job), side))


def _both(job: Job, trimmed: Trimmed, half: Half) -> Tokenizers:
    """A tokenizer as it was and as it is."""
    document = documents.read(job.out / half.side.file)
    return Tokenizers(
        half.vocabulary, documents.tokenizer(document), trimmed.new, job.recipe.prefix
    )


def _kind(job: Job) -> Kind:
    found = job.description
    if found.family is not Family.DECODER:
        return EncoderKind()
    # gguf and jinja2 belong to an extra that encoders do not need.
    from edgekit.steps.trim_vocab.vocabulary import decoder

    return decoder.read(job.checkpoint, model_type=found.model_type, rows=found.vocabulary)


def _surplus(job: Job) -> frozenset[str]:
    """Tokens that published tokenizers have in excess of the table."""
    found = DECODERS.get(job.description.model_type)
    return frozenset() if found is None else found.surplus


def _choose(settings: TrimVocabSettings, job: Job, kind: Kind, halves: Sequence[Half]) -> Trimmed:
    if settings.size is not None and len(halves) > 1:
        raise StepError(
            "trim_vocab: size counts the pieces of one tokenizer, and this model has one for texts "
            "and one for translations; set coverage instead."
        )
    rows = configs.ids(job.checkpoint)
    for frame in frames.of(job.checkpoint, job.recipe.directions).values():
        first = () if frame.first is None else (frame.first,)
        rows |= {*frame.before, *frame.after, *first}
    found, frequencies, notes = set[int](), dict[str, list[str]](), list[str]()
    for number, half in enumerate(halves):
        decided = deciding.decide(
            settings,
            half.vocabulary,
            half.own,
            languages=half.side.languages,
            kind=kind,
            kept=required.asked_for(half.vocabulary, [*settings.keep, job.recipe.prefix])
            | (rows & set(half.vocabulary.tokens)),
            held_out=_held_out(settings, job, kind, half),
            on_progress=part(job.on_progress, number / len(halves), (number + 1) / len(halves)),
        )
        found |= decided.kept
        frequencies |= {half.side.named(name): own for name, own in decided.frequencies.items()}
        notes += decided.notes
    vocabulary = halves[0].vocabulary
    pad = json.loads((job.checkpoint / "config.json").read_text("utf-8")).get("pad_token_id")
    order = surgery.order(vocabulary, found, pad=pad)
    # An id that the config names but no piece has is still a row that the model may look up.
    rest = sorted(one for one in rows - set(vocabulary.tokens) if one < job.description.vocabulary)
    return Trimmed((*order, *rest), frequencies, tuple(notes))


def _held_out(settings: TrimVocabSettings, job: Job, kind: Kind, half: Half) -> HeldOut | None:
    if settings.most_changed is None:
        return None
    texts = _judging(half, kind)
    listed = {name: texts[name] for name in half.side.languages}
    prefix, most_changed = job.recipe.prefix, settings.most_changed
    return held_out.of(half.vocabulary, listed, prefix=prefix, most_changed=most_changed)


def _own_texts(settings: TrimVocabSettings, job: Job, kind: Kind, side: Side) -> OwnTexts:
    """By language, the texts that choose; texts that judge are never among them, but for the one
    text that a pair shares with others."""
    judging = {kind.text(row).input for row in side.validation}
    alone = frozenset(inputs.all_texts(judging))
    own: dict[str, list[str]] = {}
    for row in side.train:
        texts = own.setdefault(row.language or NO_LANGUAGE, [])
        if (given := kind.text(row).input) not in judging:
            texts += inputs.texts(given)
        if row.summary is not None and row.summary not in alone:
            texts.append(row.summary)  # what is to be generated must be there, too
    further = read_texts([job.resolve(name) for name in settings.texts])
    others = [
        one for one in (*inputs.all_texts(job.dataset.unlabeled), *further) if one not in alone
    ]
    own.setdefault(NO_LANGUAGE, []).extend(others)
    return {name: texts for name, texts in own.items() if texts}


def _write(job: Job, trimmed: Trimmed, halves: Sequence[Half]) -> None:
    for half in halves:
        pieces_left = [row for row in trimmed.rows if row in half.vocabulary.tokens]
        document = surgery.trimmed(half.vocabulary, pieces_left)
        (job.out / half.side.file).write_text(documents.text(document), encoding="utf-8")
    configs.write(job.checkpoint, job.out, trimmed.new, size=len(trimmed.rows))
    tables.trim(
        job.checkpoint,
        job.out,
        trimmed.rows,
        model_type=job.description.model_type,
        before=job.description.vocabulary,
    )
    licences.carry(job.checkpoint, job.out)
    for name in CARRIED:
        if (job.checkpoint / name).is_file():
            shutil.copyfile(job.checkpoint / name, job.out / name)


def _compare_tokens(
    settings: TrimVocabSettings, job: Job, both: Tokenizers, half: Half, kind: Kind
) -> dict[str, Compared]:
    """Results by language. Raises StepError where tokens are not what they must be, or too many."""
    texts = _judging(half, kind)
    compared = {name: both.compare(name, found) for name, found in texts.items()}
    check_bounds(
        [compared[name] for name in half.side.languages],
        most_tokens_rise=settings.most_tokens_rise,
        most_unknown_rise=settings.most_unknown_rise,
        pieces=len(both.new),
    )
    return compared


def _judging(half: Half, kind: Kind) -> dict[str, list[Text]]:
    chosen_by = {text for texts in half.own.values() for text in texts}
    return judging_texts(half.side.languages, half.side.validation, chosen_by, kind)


def _record(
    job: Job,
    compared: Mapping[str, Compared],
    frequencies: Mapping[str, Sequence[str]],
    *,
    listed: Sequence[str],
    rows: int,
    answered: Mapping[str, Mapping[str, Any]] | None,
) -> dict[str, Any]:
    removed = job.description.vocabulary - rows
    proof = {
        name: {
            **one.as_json(),
            "frequencies": list(frequencies.get(name, [])),
            **(answered or {}).get(name, {}),
        }
        for name, one in compared.items()
    }
    return {
        "after": {
            "pieces_removed": removed,
            "most_tokens_rise": round(max(compared[one].tokens_rise for one in listed), 5),
            "most_unknown_rise": round(max(compared[one].unknown_rise for one in listed), 6),
        },
        "proof": {"by_language": proof},
        "notes": [
            *([] if removed else ["nothing changed: every piece stays"]),
            *([] if answered is not None else ["too little memory to compare logits"]),
        ],
    }


def judging_texts(
    names: Sequence[str], validation: Iterable[Row], chosen_by: set[str], kind: Kind
) -> dict[str, list[Text]]:
    """By language, held-out rows and the Declaration, none of which had a part in the choice."""
    found: dict[str, list[Text]] = {name: [] for name in names}
    for row in validation:
        text = kind.text(row)
        # Of a pair, which shares its first text with others, one new text is enough.
        if not chosen_by.issuperset(inputs.texts(text.input)):
            found.setdefault(row.language or NO_LANGUAGE, []).append(text)
    for name in names:
        found[name] += [
            Text(one, held_out=False)
            for one in declaration.paragraphs(name)
            if one not in chosen_by
        ]
    return found
