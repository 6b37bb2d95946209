"""An encoder-decoder artifact as an engine that summarizes texts of any length."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from edgekit.artifact.folder import Artifact
from edgekit.data.conversation import Message
from edgekit.errors import ArtifactError
from edgekit.runtime.engine import Asked
from edgekit.runtime.seq2seq.files import DECODER, ENCODER
from edgekit.runtime.seq2seq.opening import open_writer
from edgekit.runtime.seq2seq.writer import Seq2SeqWriter
from edgekit.system.cancel import Cancel
from edgekit.tasks.summarization.summary import Summary, Told, Wanted
from edgekit.tasks.summarization.written import Shortening, Writing


def open_seq2seq(artifact: Artifact, files: dict[str, bytes], asked: Asked) -> Seq2SeqEngine:
    """The engine of an artifact; `files` is as for open_writer."""
    spec = artifact.manifest.model
    if spec.summary is None or set(spec.files) != {ENCODER, DECODER}:
        raise ArtifactError(
            f"{artifact.folder}: a summarizer that writes has {ENCODER} and {DECODER}; build it "
            "again."
        )
    summarizer = open_writer(artifact, files, asked, spec.summary.generation)
    return Seq2SeqEngine(summarizer, name=artifact.manifest.digest)


class Seq2SeqEngine:
    """A Summarizer: texts of any length; safe to use from several threads."""

    def __init__(self, summarizer: Seq2SeqWriter, *, name: str = "") -> None:
        """`name` distinguishes the model from others, whose notes cannot be reused."""
        self._summarizer, self._name = summarizer, name

    @property
    def version(self) -> str:
        return self._summarizer.version

    def summarize(
        self, text: str, wanted: Wanted, *, tell: Callable[[Told], None], cancel: Cancel
    ) -> Summary:
        writing = Writing(
            Shortening(self._summarizer),
            wanted,
            engine="seq2seq",
            model=self._name,
            tell=tell,
            cancel=cancel,
        )
        return writing.summary(text)

    def first_tokens(self, prompt: str | Sequence[Message], count: int) -> list[int]:
        return [piece for piece, _ in self._summarizer.greedy(str(prompt), count)]

    def probe(self) -> None:
        self._summarizer.probe()

    def close(self) -> None:
        self._summarizer.close()
