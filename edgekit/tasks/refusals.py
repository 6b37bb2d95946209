"""What edgekit/tasks refuses to people: the sentences, by code. Refuses nothing itself."""

from __future__ import annotations

from functools import partial

from edgekit import errors

TEMPLATES = {
    "input-itself": "{path}: this is the input itself; write to another file.",
    "file-exists": "{path}: this file exists; name another, or overwrite it (--overwrite).",
    "begun-otherwise": "{path}: this was begun with another input, model or setting; delete it, "
    "or begin anew (--overwrite).",
    "text-empty": "A text is empty, so it has no label; leave it out.",
    "pair-empty": "A text of a pair is empty, so the pair has no label; leave it out.",
    "takes-single-texts": "'{name}' takes single texts, and this is a pair of texts; give one "
    "text.",
    "scores-no-numbers": "The model gave scores that are no numbers (NaN or infinite); its "
    "weights are damaged or overflow: check the checkpoint and build it again.",
    "no-words": "There are no words in this text, so there is nothing to {to}.",
    "context-too-small": "The model's context of {context} tokens leaves no room to read a text "
    "beside what it is told and a summary of {words} words; load it with a larger context, or "
    "ask for fewer words.",
}

told = partial(errors.told, TEMPLATES)
