"""The self-test of a translator: texts, and the first tokens of their translations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edgekit.artifact.manifest import Manifest
from edgekit.errors import ArtifactError
from edgekit.runtime import golden
from edgekit.tasks.translation.engine import Translator


@dataclass(frozen=True, slots=True)
class GoldenTranslations:
    inputs: tuple[tuple[str, str], ...]
    """Each text, and the direction it is translated in."""
    tokens: tuple[tuple[int, ...], ...]

    @classmethod
    def read(cls, value: Mapping[str, Any]) -> GoldenTranslations:
        """From `{"inputs": [{"text": …, "direction": …}], "answers": [{"tokens": […]}]}`."""
        return cls(
            inputs=tuple((str(one["text"]), str(one["direction"])) for one in value["inputs"]),
            tokens=tuple(tuple(map(int, one["tokens"])) for one in value["answers"]),
        )

    def texts(self) -> list[str]:
        return [text for text, _ in self.inputs]

    def check(self, engine: Translator, manifest: Manifest) -> int:
        spec = manifest.model.translation
        for number, ((text, name), wanted) in enumerate(zip(self.inputs, self.tokens, strict=True)):
            if spec is None or name not in spec.frames:
                raise ArtifactError(
                    f"{golden.GOLDEN}: '{name}' is no direction of this artifact; build it again."
                )
            found = tuple(engine.first_tokens_of(text, name, len(wanted))) if wanted else ()
            if found != wanted:
                told = f"tokens {list(found)} instead of {list(wanted)}"
                raise golden.wrong(manifest, number, told)
        return len(self.inputs)


def read(data: bytes, manifest: Manifest) -> GoldenTranslations:
    """The golden answers from a translator's file; raises ArtifactError."""
    return golden.parse(data, GoldenTranslations.read)
