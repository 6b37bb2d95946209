"""What a GGUF says of texts: tokenizer, chat template and what ends an answer. No weights."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import gguf

from edgekit.checkpoint import chat_template
from edgekit.checkpoint import tokenizer as tokenizing
from edgekit.checkpoint.chat_template import Rendered
from edgekit.checkpoint.decoders import Architecture
from edgekit.checkpoint.tokenizer import Vocabulary
from edgekit.export.gguf import generation, origin, trials
from edgekit.export.gguf.trials import Found
from edgekit.system.digest import sha256_bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """How a checkpoint reads texts and conversations, in llama.cpp's form."""

    vocabulary: Vocabulary
    names: Found
    rendered: Rendered | None
    """None where there is no template: such a model can continue texts, but not converse."""
    generation: Mapping[str, Any]
    stops: tuple[int, ...]

    def add_to(self, writer: gguf.GGUFWriter, said: origin.Origin) -> None:
        """Writes it, and whose model it is, as the end of a header of an f16 file."""
        self.vocabulary.add_to(writer)
        writer.add_tokenizer_pre(self.names.names.pre)
        said.add_to(writer, tried=self.names.names.general)
        generation.add_to(writer, self.generation, self.stops)
        if self.rendered:
            writer.add_chat_template(self.rendered.template)
        writer.add_file_type(gguf.LlamaFileType.MOSTLY_F16)
        writer.add_quantization_version(gguf.GGML_QUANT_VERSION)

    def prove(self, model: Path, checkpoint: Path) -> None:
        """Raises ExportError where the finished file reads a text otherwise."""
        conversations = self.rendered.texts if self.rendered else ()
        names, preparation = self.names.names, self.vocabulary.preparation
        trials.prove(model, checkpoint, preparation, conversations, names)

    def record(self) -> dict[str, Any]:
        """What was found, for the manifest."""
        settings = self.generation
        return {
            "tokenizer": self._tokenizer(),
            "chat": self._chat(),
            "generation": {name: settings[name] for name in generation.SETTINGS
                           if settings.get(name) is not None},
        }  # fmt: skip

    @property
    def notes(self) -> list[str]:
        return [*self.names.notes, *chat_template.notes(self.rendered)]

    def _tokenizer(self) -> dict[str, Any]:
        vocabulary, found = self.vocabulary, self.names
        return {
            "kind": vocabulary.kind,
            "pre": found.names.pre,
            "pieces": len(vocabulary.tokens),
            "proven": {"texts": found.texts, "tokens": found.tokens, "tried": found.tried},
            **asdict(vocabulary.preparation),
            "add_bos": vocabulary.add_bos,
            "add_eos": vocabulary.add_eos,
            "bos": vocabulary.text("bos"),
            "eos": vocabulary.text("eos"),
            "stops": list(self.stops),
        }

    def _chat(self) -> dict[str, Any] | None:
        rendered = self.rendered
        if rendered is None:
            return None
        return {
            "template_sha256": sha256_bytes(rendered.template.encode("utf-8")),
            "conversations": len(rendered.texts),
            "refused": rendered.refused,
            "end": None if rendered.end is None else self.vocabulary.tokens[rendered.end],
            "plain_text": list(rendered.strange),
        }


def read(
    checkpoint: Path, config: Mapping[str, Any], architecture: Architecture, *, rows: int
) -> Reading:
    """`rows` is the number of rows of the embedding. Raises CheckpointError or ExportError where
    llama.cpp would read texts otherwise."""
    vocabulary = tokenizing.read(checkpoint, rows=rows, architecture=architecture)
    found = trials.find(checkpoint, vocabulary, architecture)
    template = chat_template.read(checkpoint)
    bos, eos = vocabulary.text("bos"), vocabulary.text("eos")
    rendered = template and chat_template.render(checkpoint, template, bos=bos, eos=eos)
    settings = generation.read(checkpoint)
    end = rendered.end if rendered else None
    return Reading(
        vocabulary=vocabulary,
        names=found,
        rendered=rendered or None,
        generation=settings,
        stops=generation.stops(config, settings, vocabulary, end=end),
    )
