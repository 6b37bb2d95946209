"""The verbs of a classifier: classify and logits. Knows its engine by its interface alone."""

from __future__ import annotations

from collections.abc import Callable, Generator, Iterable, Sequence
from functools import partial
from typing import Any, cast

import numpy as np

from edgekit.artifact.folder import Artifact, read_file
from edgekit.artifact.manifest import Manifest
from edgekit.data.inputs import Input
from edgekit.errors import DataError, EdgekitError, UnsupportedTask
from edgekit.runtime.engine import Asked
from edgekit.runtime.gate import Gate
from edgekit.runtime.opening import open_engine
from edgekit.runtime.parallel import in_order
from edgekit.tables import ISOLATED
from edgekit.tasks.classification import familiar
from edgekit.tasks.classification.answer import Answer, answer
from edgekit.tasks.classification.engine import Classifier, run, run_several
from edgekit.tasks.classification.familiar import Familiar
from edgekit.tasks.classification.recorded import of_model
from edgekit.tasks.classification.wire import IsolatedClassifier
from edgekit.tasks.refusals import told


def open_verbs(artifact: Artifact, asked: Asked, *, isolate: bool) -> ClassifierVerbs:
    """What `edgekit.load` returns for a classifier."""
    asked.refuse_context(artifact.manifest)
    if isolate or artifact.manifest.model.format in ISOLATED:
        engine: Classifier = IsolatedClassifier(artifact, asked)
    else:
        engine = cast("Classifier", open_engine(artifact, asked))
    try:
        return ClassifierVerbs(artifact.manifest, engine, _familiar(artifact))
    except BaseException:
        engine.close()
        raise


def _familiar(artifact: Artifact) -> Familiar | None:
    """What tells texts that the model was taught from others; None where nothing can."""
    spec = artifact.manifest.model.familiar
    # An artifact of another version still answers; nothing is said of how familiar a text is.
    if spec is None or spec.version != familiar.VERSION:
        return None
    return familiar.opened(read_file(artifact, familiar.FILE), spec.least)


class ClassifierVerbs:
    def __init__(
        self, manifest: Manifest, engine: Classifier, familiar: Familiar | None = None
    ) -> None:
        self._manifest = manifest
        self._engine = engine
        self._familiar = familiar
        self._scoring = of_model(manifest.model)
        self._gate = Gate()

    def classify(
        self,
        texts: Input | Iterable[Input],
        *,
        abstain_below: float | None,
        labels: Sequence[str] | None = None,
        examples: Sequence[tuple[str, str]] = (),
        validation: Sequence[tuple[str, str]] = (),
        instruction: str | None = None,
    ) -> Answer | Generator[Answer, None, None]:
        if labels is not None or examples or validation or instruction is not None:
            raise UnsupportedTask(
                f"'{self._manifest.name}' is a classifier with labels of its own "
                f"({', '.join(self._manifest.labels)}); labels, examples, validation and "
                "instruction are for chat artifacts."
            )
        floor = check_floor(self._manifest, abstain_below)
        return self._each(partial(self._answer, abstain_below=floor), texts)

    def together(self, texts: Sequence[Input], *, abstain_below: float | None) -> list[Answer]:
        """`classify` of a few short texts, by one thread that wakes once for all of them."""
        floor = check_floor(self._manifest, abstain_below)
        for text in texts:
            check_input(self._manifest, text)
        with self._gate.passing():
            found = run_several(self._engine, self._manifest, texts)
        answered = zip(texts, found, strict=True)
        return [self._scored(text, *one, abstain_below=floor) for text, one in answered]

    def logits(
        self, texts: Input | Iterable[Input]
    ) -> np.ndarray | Generator[np.ndarray, None, None]:
        return self._each(self._logits, texts)

    def close(self) -> None:
        if self._gate.shut():
            self._engine.close()

    def _each(self, function: Callable[..., Any], texts: Input | Iterable[Input]) -> Any:
        # One pair is a tuple; several, of either kind, are any other iterable or hold tuples.
        alone = _is_pair(texts) if self._manifest.model.pairs else False
        if alone or isinstance(texts, str):
            return function(texts, alone=True)
        check_texts(texts)
        return in_order(partial(function, alone=False), texts, workers=self._engine.workers)

    def _answer(self, text: Input, *, alone: bool, abstain_below: float) -> Answer:
        return self._scored(text, *self._run(text, alone=alone), abstain_below=abstain_below)

    def _scored(
        self, text: Input, logits: np.ndarray, parts: int, *, abstain_below: float
    ) -> Answer:
        return answer(
            logits,
            self._manifest.labels,
            scoring=self._scoring,
            abstain_below=abstain_below,
            parts=parts,
            familiar=None if self._familiar is None else self._familiar(text),
        )

    def _logits(self, text: Input, *, alone: bool) -> np.ndarray:
        return self._run(text, alone=alone)[0]

    def _run(self, text: Input, *, alone: bool) -> tuple[np.ndarray, int]:
        check_input(self._manifest, text)
        with self._gate.passing():
            return run(self._engine, self._manifest, text, alone=alone)


def check_floor(manifest: Manifest, asked: float | None) -> float:
    """The score below which an answer is marked as abstained: as asked, else the artifact's."""
    floor = manifest.model.abstain_below if asked is None else asked
    if not 0 <= floor <= 1:
        raise EdgekitError(f"abstain_below must be from 0 to 1, not {floor}.")
    return floor


def check_input(manifest: Manifest, given: Input) -> None:
    """Raises DataError unless it is what this artifact takes: a text, or a pair of texts."""
    if not manifest.model.pairs:
        if _is_pair(given):
            raise DataError(told("takes-single-texts", {"name": manifest.name}))
        check_text(given)  # type: ignore[arg-type]
        return
    if not _is_pair(given):
        what = "a text" if isinstance(given, str) else type(given).__name__
        raise DataError(
            f"'{manifest.name}' takes pairs of texts, and this is {what}; give a tuple of the two, "
            "such as (premise, hypothesis)."
        )
    if not all(text.strip() for text in given):
        raise DataError(told("pair-empty", {}))


def _is_pair(given: object) -> bool:
    return isinstance(given, tuple) and len(given) == 2 and all(isinstance(x, str) for x in given)


def check_texts(texts: Iterable[Input]) -> None:
    if isinstance(texts, bytes) or not isinstance(texts, Iterable):
        raise DataError(f"Give a text or an iterable of texts, not {type(texts).__name__}.")


def check_text(text: str) -> None:
    if not isinstance(text, str):
        raise DataError(f"A text must be a string, not {type(text).__name__}.")
    if not text.strip():
        raise DataError(told("text-empty", {}))
