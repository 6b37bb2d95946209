"""Whether a text is in a language that an artifact was not judged in. Runs no model of its own.

Short texts are easily taken for another language: of about 1,300 spoken commands in languages that
an artifact was judged in, 2 were said to be in another, and of 1,500 sentences in others 92 %.
"""

from __future__ import annotations

from edgekit.artifact.manifest import Manifest
from edgekit.data import inputs, language_of
from edgekit.data.inputs import Input
from edgekit.tasks.quality import judged_languages

CERTAINTY = 0.7


def unjudged(manifest: Manifest, given: Input) -> str | None:
    """The code of the text's language; None where the artifact was judged in it, where that is
    unsure, and where nothing is known of any language."""
    judged = judged_languages(manifest.quality)
    if not judged:
        return None
    found = language_of.detect(" ".join(inputs.texts(given)), certainty=CERTAINTY)
    return None if found in judged else found
