"""An encoder-decoder artifact as an engine that translates texts of any length."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

from edgekit.artifact.folder import Artifact
from edgekit.artifact.specs import Frame
from edgekit.errors import ArtifactError
from edgekit.runtime.engine import Asked, Engine
from edgekit.runtime.seq2seq.files import DECODER, ENCODER
from edgekit.runtime.seq2seq.opening import open_writer
from edgekit.runtime.seq2seq.writer import Seq2SeqWriter
from edgekit.system.cancel import Cancel, Cancelled
from edgekit.tasks.translation import sentences
from edgekit.tasks.translation.translated import Told, Translation
from edgekit.wording.directions import direction


class Translator(Engine, Protocol):
    """Translates texts of any length."""

    def translate(
        self,
        text: str,
        *,
        source: str,
        target: str,
        tell: Callable[[Told], None],
        cancel: Cancel,
    ) -> Translation:
        """The whole text; if it is cancelled, what was translated until then."""

    def first_tokens_of(self, text: str, name: str, count: int) -> list[int]:
        """The likeliest tokens of a translation in this direction."""


class Window(Protocol):
    """Translates what fits into a model's window; a Seq2SeqWriter does."""

    def windows(self, text: str) -> list[list[int]]: ...

    def answer(self, ids: Sequence[int]) -> str: ...


def open_translator(artifact: Artifact, files: dict[str, bytes], asked: Asked) -> Seq2SeqTranslator:
    """The engine of an artifact; `files` is as for open_writer."""
    spec = artifact.manifest.model
    if spec.translation is None or set(spec.files) != {ENCODER, DECODER}:
        raise ArtifactError(
            f"{artifact.folder}: a translator has {ENCODER} and {DECODER}, and its manifest says "
            "between which languages it translates; build it again."
        )
    writer = open_writer(artifact, files, asked, spec.translation.generation)
    return Seq2SeqTranslator(writer, spec.translation.frames)


class Seq2SeqTranslator:
    """A Translator; safe to use from several threads."""

    def __init__(self, writer: Seq2SeqWriter, frames: Mapping[str, Frame]) -> None:
        self._writer = writer
        self._framed = {name: writer.framed(frame) for name, frame in frames.items()}

    @property
    def version(self) -> str:
        return self._writer.version

    def translate(
        self,
        text: str,
        *,
        source: str,
        target: str,
        tell: Callable[[Told], None],
        cancel: Cancel,
    ) -> Translation:
        return translated(
            self._framed[direction(source, target)],
            text,
            source=source,
            target=target,
            tell=tell,
            cancel=cancel,
        )

    def first_tokens_of(self, text: str, name: str, count: int) -> list[int]:
        return [piece for piece, _ in self._framed[name].greedy(text, count)]

    def probe(self) -> None:
        for framed in self._framed.values():
            framed.probe()

    def close(self) -> None:
        self._writer.close()


def translated(
    model: Window,
    text: str,
    *,
    source: str,
    target: str,
    tell: Callable[[Told], None] = lambda told: None,
    cancel: Cancel | None = None,
) -> Translation:
    """A text of any length, sentence by sentence; lines and paragraphs stay."""
    found, rest = sentences.cut(text)
    windows: list[list[list[int]]] = [
        model.windows(one.text) if one.says else [[]] for one in found
    ]
    parts, read, said = sum(map(len, windows)), 0, ""
    tell(Told(read, parts))

    def pieces(own: Sequence[Sequence[int]]) -> list[str]:
        nonlocal read
        answers = []
        for ids in own:
            if cancel is not None and cancel.is_set():
                raise Cancelled
            answers.append(model.answer(ids))
            read += 1
        return answers

    try:
        for number, (one, own) in enumerate(zip(found, windows, strict=True)):
            if one.says:
                words = sentences.joined(iter(pieces(own)), target)
            else:
                words, read = one.text, read + 1
            piece = sentences.joint(one.gap, target, first=number == 0) + words
            said += piece
            tell(Told(read, parts, piece))
    except Cancelled:
        return Translation(said, source, target, read, parts, cancelled=True)
    return Translation(said + rest, source, target, read, parts)
