"""The verb of a translator: translate. Knows its engine by its interface alone."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from dataclasses import replace
from threading import Lock
from typing import Protocol, cast

from edgekit.artifact.folder import Artifact
from edgekit.artifact.manifest import Manifest
from edgekit.data import language_of
from edgekit.errors import DataError, EdgekitError
from edgekit.runtime.engine import Asked
from edgekit.runtime.gate import Gate
from edgekit.runtime.opening import open_engine
from edgekit.system.cancel import Cancel
from edgekit.tables import ISOLATED
from edgekit.tasks.quality import parts
from edgekit.tasks.translation import translated
from edgekit.tasks.translation.translated import Told, Translation
from edgekit.tasks.translation.wire import IsolatedTranslator
from edgekit.wording.directions import direction
from edgekit.wording.language_codes import normal
from edgekit.wording.language_names import language_name

OnTold = Callable[[Told], None]


class Engine(Protocol):
    """A translator in this process or in a worker."""

    def translate(
        self, text: str, *, source: str, target: str, tell: OnTold, cancel: Cancel
    ) -> Translation: ...

    def close(self) -> None: ...


def open_verbs(artifact: Artifact, asked: Asked, *, isolate: bool) -> TranslationVerbs:
    """What `edgekit.load` returns for a translator."""
    asked.refuse_context(artifact.manifest)
    if isolate or artifact.manifest.model.format in ISOLATED:
        return TranslationVerbs(artifact.manifest, IsolatedTranslator(artifact, asked))
    return TranslationVerbs(artifact.manifest, cast("Engine", open_engine(artifact, asked)))


class TranslationVerbs:
    def __init__(self, manifest: Manifest, engine: Engine) -> None:
        self._manifest, self._engine = manifest, engine
        self._gate, self._one = Gate(), Lock()
        self._running: weakref.WeakSet[Cancel] = weakref.WeakSet()

    def translate(
        self,
        text: str,
        *,
        to: str | None,
        from_: str | None,
        on_told: OnTold,
        cancel: Cancel | None = None,
    ) -> Translation:
        """`cancel` stops it after the current sentence; what was translated until then is
        returned."""
        if not isinstance(text, str):
            raise DataError(f"A text must be a string, not {type(text).__name__}.")
        name, known = self._manifest.name, self._manifest.languages
        target = translated.into(name, known, None if to is None else normal(to))
        asked = None if from_ is None else normal(from_)
        source = translated.out_of(name, known, target, asked)
        detected = language_of.detect(text)
        source = source or self._told(text, detected, target)
        warnings = (*self._unjudged(source, target), *_otherwise(detected, source))
        stop = cancel or Cancel()
        with self._gate.passing():
            self._running.add(stop)
            with self._one:
                found = self._engine.translate(
                    text, source=source, target=target, tell=on_told, cancel=stop
                )
        return replace(found, warnings=(*warnings, *found.warnings))

    def close(self) -> None:
        """Stops running translations and frees the model."""
        if self._gate.shut():
            for one in list(self._running):
                one.set()
            self._engine.close()

    def _told(self, text: str, detected: str | None, target: str) -> str:
        """The language that the text itself is in; EdgekitError where that is unsure."""
        there = translated.sources(self._manifest.languages, target)
        for one in there:
            if detected is not None and language_of.same(one) == detected:
                return one
        said = "could not be told" if detected is None else f"seems to be {detected}"
        raise EdgekitError(
            f"The language of the text {said}, and '{self._manifest.name}' translates from "
            f"{', '.join(there)} into {target}; say from which."
        )

    def _unjudged(self, source: str, target: str) -> tuple[str, ...]:
        name = direction(source, target)
        if name in parts(self._manifest.quality, "by_language"):
            return ()
        return (
            f"'{self._manifest.name}' was not judged in {language_name(name)}. Read the "
            "translation beside the text.",
        )


def _otherwise(detected: str | None, source: str) -> tuple[str, ...]:
    if detected is None or detected == language_of.same(source):
        return ()
    return (
        f"The text seems to be in {language_name(detected)}, and was read as "
        f"{language_name(source)}.",
    )
