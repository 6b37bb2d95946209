"""The heavy half of `trim_vocab`: chooses, cuts, and proves what is left."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from edgekit import machine
from edgekit.compress import licences, widths
from edgekit.compress.vocabulary import (
    answers,
    choice,
    configs,
    declaration,
    documents,
    pieces,
    required,
    sources,
    surgery,
    tables,
)
from edgekit.compress.vocabulary.counting import Counted
from edgekit.compress.vocabulary.pieces import Vocabulary
from edgekit.compress.vocabulary.proof import Compared, Text, Tokenizers, check_bounds
from edgekit.errors import StepError
from edgekit.job import Job
from edgekit.tasks.rows import Row, read_texts

if TYPE_CHECKING:  # trim_vocab.py imports this module when it runs
    from edgekit.compress.trim_vocab import TrimVocabSettings

# Texts without a language, and how a proof calls them.
NO_LANGUAGE = "other"
# For each language: texts that run through both models, of each kind.
EXACT_TEXTS = 4
CHANGED_ROWS = 20
# Memory that comparing logits takes beside the model's weights.
SPARE_BYTES = 500_000_000
CARRIED = ("special_tokens_map.json", widths.FILE)


OwnTexts = Mapping[str, list[str]]
"""By language, the texts that choose; texts that judge are never among them."""


@dataclass(frozen=True)
class Trimmed:
    """The old id of each row that is left, in the new order, and what the choice was made by."""

    vocabulary: Vocabulary
    rows: tuple[int, ...]
    frequencies: Mapping[str, list[str]]

    @property
    def new(self) -> dict[int, int]:
        return {old: number for number, old in enumerate(self.rows)}


def trim(settings: TrimVocabSettings, job: Job) -> dict[str, Any]:
    """Writes the trimmed checkpoint into `job.out`. Raises StepError where it cannot be proven."""
    vocabulary = pieces.read(job.checkpoint / "tokenizer.json")
    if max(vocabulary.tokens) >= job.description.vocabulary:
        raise StepError(
            f"{job.checkpoint}: the tokenizer numbers a piece {max(vocabulary.tokens):,} and the "
            f"embedding has {job.description.vocabulary:,} rows; save model and tokenizer together "
            "again."
        )
    own = _own_texts(settings, job)
    trimmed = _choose(settings, job, vocabulary, own)
    job.on_progress(0.6)
    _write(job, trimmed)
    job.on_progress(0.7)
    compared = _compare_tokens(settings, job, trimmed, own)
    job.on_progress(0.8)
    frequencies, rows = trimmed.frequencies, len(trimmed.rows)
    del vocabulary, trimmed  # of a large vocabulary, as much memory as a small model
    return _record(job, compared, frequencies, rows=rows)


def _choose(
    settings: TrimVocabSettings, job: Job, vocabulary: Vocabulary, own: OwnTexts
) -> Trimmed:
    names = job.recipe.languages
    stranger = required.unknown_script(vocabulary, names)
    if stranger is not None:
        raise StepError(
            f"trim_vocab: the tokenizer knows no letter of the script of '{stranger}', so that the "
            "model cannot read it; remove it from languages, or take a model that knows it."
        )
    kept = required.required(vocabulary, names, [text for texts in own.values() for text in texts])
    kept |= required.asked_for(vocabulary, [*settings.keep, job.recipe.prefix])
    rows = configs.ids(job.checkpoint)
    kept |= rows & set(vocabulary.tokens)
    words, frequencies = _words(vocabulary, names, own)
    job.on_progress(0.25)
    chosen = choice.Choice(
        vocabulary, words, frozenset(kept), frozenset(required.candidates(vocabulary, names))
    )
    found = choice.by_coverage(chosen, settings.coverage)
    if settings.size is not None and len(found) > settings.size:
        _check_size(settings.size, kept)
        found = choice.by_size(
            chosen, settings.size, lambda done: job.on_progress(0.25 + 0.35 * done)
        )
    pad = json.loads((job.checkpoint / "config.json").read_text("utf-8")).get("pad_token_id")
    order = surgery.order(vocabulary, found, pad=pad)
    # An id that the config names and no piece has is still a row that the model may look up.
    rest = sorted(one for one in rows - set(vocabulary.tokens) if one < job.description.vocabulary)
    return Trimmed(vocabulary, (*order, *rest), frequencies)


def _check_size(size: int, kept: set[int]) -> None:
    if len(kept) > size:
        raise StepError(
            f"trim_vocab: size is {size:,}, and {len(kept):,} pieces are never removed (special "
            "tokens, letters of the languages' scripts, digits, punctuation, what keep names); "
            f"set size to {len(kept):,} or more."
        )


def _own_texts(settings: TrimVocabSettings, job: Job) -> OwnTexts:
    """By language, the texts that choose; texts that judge are never among them."""
    judging = {row.text for row in job.dataset.validation}
    own: dict[str, list[str]] = {}
    for row in job.dataset.train:
        texts = own.setdefault(row.language or NO_LANGUAGE, [])
        # What is to be written must be there, too.
        texts += [row.text] if row.summary is None else [row.text, row.summary]
    further = read_texts([job.resolve(name) for name in settings.texts])
    others = [*job.dataset.unlabeled, *further]
    own.setdefault(NO_LANGUAGE, []).extend(others)
    unseen = {name: [one for one in texts if one not in judging] for name, texts in own.items()}
    return {name: texts for name, texts in unseen.items() if texts}


def _words(
    vocabulary: Vocabulary,
    names: Sequence[str],
    own: Mapping[str, list[str]],
) -> tuple[dict[str, list[list[Counted]]], dict[str, list[str]]]:
    """Each language's words as the choice weighs them, and where they are from."""
    size = max(vocabulary.tokens) + 1
    words: dict[str, list[list[Counted]]] = {}
    places: dict[str, list[str]] = {}
    for name in [*names, *(other for other in own if other not in names)]:
        kinds = []
        if name in own:
            kinds.append([sources.Source(sources.OWN, sources.own_words(own[name]))])
        if name in names:
            kinds.append(sources.general(vocabulary, name))
        kinds = [kind for kind in kinds if kind]
        places[name] = [source.name for kind in kinds for source in kind]
        words[name] = [
            [Counted(one.words, vocabulary.tokenizer, size) for one in kind] for kind in kinds
        ]
    return {name: kinds for name, kinds in words.items() if kinds}, places


def _write(job: Job, trimmed: Trimmed) -> None:
    pieces_left = [row for row in trimmed.rows if row in trimmed.vocabulary.tokens]
    document = surgery.trimmed(trimmed.vocabulary, pieces_left)
    (job.out / "tokenizer.json").write_text(documents.text(document), encoding="utf-8")
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
    settings: TrimVocabSettings, job: Job, trimmed: Trimmed, own: OwnTexts
) -> dict[str, Compared]:
    """By language. Raises StepError where tokens are not what they must be, or too many."""
    names = job.recipe.languages
    both = Tokenizers(
        trimmed.vocabulary,
        documents.tokenizer(documents.read(job.out / "tokenizer.json")),
        trimmed.new,
        job.recipe.prefix,
    )
    chosen_by = {text for texts in own.values() for text in texts}
    texts = judging_texts(names, job.dataset.validation, chosen_by)
    compared = {name: both.compare(name, found) for name, found in texts.items()}
    check_bounds(
        [compared[name] for name in names],
        most_tokens_rise=settings.most_tokens_rise,
        most_unknown_rise=settings.most_unknown_rise,
        pieces=len(trimmed.rows),
    )
    return compared


def _record(
    job: Job,
    compared: Mapping[str, Compared],
    frequencies: Mapping[str, Sequence[str]],
    *,
    rows: int,
) -> dict[str, Any]:
    listed = [compared[name] for name in job.recipe.languages]
    removed = job.description.vocabulary - rows
    answered = _compare_answers(job, compared) if _can_compare(job) else None
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
            "most_tokens_rise": round(max(one.tokens_rise for one in listed), 5),
            "most_unknown_rise": round(max(one.unknown_rise for one in listed), 6),
        },
        "proof": {"by_language": proof},
        "notes": [
            *([] if removed else ["nothing changed: every piece stays"]),
            *([] if answered is not None else ["too little memory to compare logits"]),
        ],
    }


def judging_texts(
    names: Sequence[str], validation: Iterable[Row], chosen_by: set[str]
) -> dict[str, list[Text]]:
    """By language, held-out rows and the Declaration, none of which took part in the choice."""
    found: dict[str, list[Text]] = {name: [] for name in names}
    for row in validation:
        if row.text not in chosen_by:
            found.setdefault(row.language or NO_LANGUAGE, []).append(Text(row.text, held_out=True))
    for name in names:
        found[name] += [
            Text(one, held_out=False)
            for one in declaration.paragraphs(name)
            if one not in chosen_by
        ]
    return found


def _can_compare(job: Job) -> bool:
    return machine.available_memory_bytes() > job.description.fp32_bytes + SPARE_BYTES


def _compare_answers(job: Job, compared: Mapping[str, Compared]) -> dict[str, dict[str, Any]]:
    """Logits of both checkpoints, by language: equal bits where tokens are the same, and labels
    that flip on held-out rows where they are not. Raises StepError where bits differ.
    """
    asked = [(one, _sample(one.same), _held_out(one.changed)) for one in compared.values()]
    texts = [text.text for _, same, changed in asked for text in [*same, *changed]]
    old, new = (
        answers.logits(folder, texts, prefix=job.recipe.prefix, max_tokens=job.max_tokens)
        for folder in (job.checkpoint, job.out)
    )
    found: dict[str, dict[str, Any]] = {}
    at = 0
    for one, same, changed in asked:
        for number, text in enumerate(same, start=at):
            if not np.array_equal(old[number], new[number]):
                raise StepError(
                    f"trim_vocab: a text in '{one.language}' has the same tokens as before and "
                    f"other answers ('{text.text[:60]}'); the checkpoint's weights do not fit its "
                    "tokenizer. Save both together again, or leave the step out."
                )
        at += len(same)
        flips = sum(
            old[number].mean(axis=0).argmax() != new[number].mean(axis=0).argmax()
            for number in range(at, at + len(changed))
        )
        at += len(changed)
        found[one.language] = {"bit_equal": len(same)}
        if not job.description.is_writer:
            found[one.language]["label_flips"] = {"rows": len(changed), "flips": int(flips)}
    return found


def _sample(same: Sequence[Text]) -> list[Text]:
    """Some held-out rows and some of the Declaration, spread over all."""
    found: list[Text] = []
    for held_out in (True, False):
        kind = [text for text in same if text.held_out == held_out]
        found += kind[:: max(1, len(kind) // EXACT_TEXTS)][:EXACT_TEXTS]
    return found


def _held_out(changed: Sequence[Text]) -> list[Text]:
    return [text for text in changed if text.held_out][:CHANGED_ROWS]
