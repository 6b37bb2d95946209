"""Decides which pieces stay: the settings, the texts and the languages of a trim. Cuts nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from edgekit.data.rows import Row
from edgekit.errors import StepError
from edgekit.job.events import part
from edgekit.job.job import Job
from edgekit.steps.trim_vocab.vocabulary import choice, required, sources
from edgekit.steps.trim_vocab.vocabulary.counting import Counted
from edgekit.steps.trim_vocab.vocabulary.held_out import HeldOut
from edgekit.steps.trim_vocab.vocabulary.languages import Reach
from edgekit.steps.trim_vocab.vocabulary.pieces import Vocabulary
from edgekit.steps.trim_vocab.vocabulary.proof import Compared, Proof, Text, Tokenizers

if TYPE_CHECKING:
    from edgekit.steps.trim_vocab.vocabulary.settings import TrimVocabSettings

OwnTexts = Mapping[str, list[str]]
"""By language, the texts that choose; texts that judge are never among them."""


class Kind(Protocol):
    """What is trimmed: it reads rows, and proves its answers, in its own way."""

    @property
    def reach(self) -> Reach:
        """How many of a language's words decide, besides the recipe's texts."""
        ...

    def text(self, row: Row) -> Text: ...

    def words(self, texts: Iterable[str]) -> dict[str, float]:
        """The parts of the texts to be counted, with their counts."""
        ...

    def required(self, vocabulary: Vocabulary) -> set[int]:
        """Pieces that this kind never loses, beyond those that no kind loses."""
        ...

    def proof(
        self, job: Job, compared: Mapping[str, Compared], both: Tokenizers, rows: Sequence[int]
    ) -> Proof:
        """Once returned, it no longer needs the tokenizers, which take much memory."""
        ...


@dataclass(frozen=True, slots=True)
class Decision:
    """Which ids stay, and by language the sources of the frequencies that chose them."""

    kept: set[int]
    frequencies: Mapping[str, list[str]]
    notes: list[str]
    """Why more stay than were to."""


def decide(
    settings: TrimVocabSettings,
    vocabulary: Vocabulary,
    own: OwnTexts,
    *,
    languages: Sequence[str],
    kind: Kind,
    kept: set[int],
    held_out: HeldOut | None = None,
    on_progress: Callable[[float], None],
) -> Decision:
    """What stays, including `kept` and what exactness needs. Reports progress up to 0.6. Raises
    StepError where the settings cannot be met.
    """
    stranger = required.unknown_script(vocabulary, languages)
    if stranger is not None:
        raise StepError(
            f"trim_vocab: the tokenizer knows no letter of the script of '{stranger}', so that the "
            "model cannot read it; remove it from languages, or take a model that knows it."
        )
    texts = [text for texts in own.values() for text in texts]
    kept = kept | required.required(vocabulary, languages, texts) | kind.required(vocabulary)
    words, frequencies = _words(vocabulary, languages, own, kind)
    on_progress(0.25)
    candidates = required.candidates(vocabulary, languages)
    chosen = choice.Choice(vocabulary, words, frozenset(kept), frozenset(candidates))
    tried = [choice.by_coverage(chosen, settings.coverage)]
    if settings.size is not None and len(tried[0]) > settings.size:
        _check_size(settings.size, kept)
        told = part(on_progress, 0.25, 0.6)
        tried.insert(0, choice.by_size(chosen, settings.size, told))
    if held_out is None:
        return Decision(tried[0], frequencies, [])
    found, notes = held_out.smallest([*tried, set(vocabulary.tokens)])
    return Decision(found, frequencies, notes)


def _check_size(size: int, kept: set[int]) -> None:
    if len(kept) > size:
        raise StepError(
            f"trim_vocab: size is {size:,}, and {len(kept):,} pieces are never removed (special "
            "tokens, letters of the languages' scripts, digits, punctuation, what keep names); "
            f"set size to {len(kept):,} or more."
        )


def _words(
    vocabulary: Vocabulary,
    names: Sequence[str],
    own: OwnTexts,
    kind: Kind,
) -> tuple[dict[str, list[list[Counted]]], dict[str, list[str]]]:
    """Each language's words, weighted for the choice, and where they come from."""
    size = max(vocabulary.tokens) + 1
    words: dict[str, list[list[Counted]]] = {}
    places: dict[str, list[str]] = {}
    for name in [*names, *(other for other in own if other not in names)]:
        kinds = []
        if name in own:
            kinds.append([sources.Source(sources.OWN, kind.words(own[name]))])
        if name in names:
            kinds.append(sources.general(vocabulary, name, kind.reach))
        kinds = [kind for kind in kinds if kind]
        places[name] = [source.name for kind in kinds for source in kind]
        words[name] = [
            [Counted(one.words, vocabulary.tokenizer, size) for one in kind] for kind in kinds
        ]
    return {name: kinds for name, kinds in words.items() if kinds}, places
