"""What edgekit/artifact refuses to people: the sentences, by code. Refuses nothing itself."""

from __future__ import annotations

from functools import partial

from edgekit import errors

TEMPLATES = {
    "no-such-folder": "{folder}: there is no such folder; give the path of an artifact.",
    "no-artifact": "{folder}: this folder has no manifest.json, so it is no artifact; give a "
    "folder that `edgekit compress` wrote.",
    "manifest-too-large": "{path}: this file is too large to be a manifest of an artifact.",
    "file-not-listed": "{path}: this file is not in the manifest, so it did not come with the "
    "artifact; move it out of the folder.",
    "file-missing": "{path}: this file is missing; copy the artifact again from where it came, "
    "or build it again.",
    "file-size": "{path}: this file has {found} bytes instead of {wanted}; copy the artifact "
    "again from where it came, or build it again.",
    "no-plain-file": "{path}: this is no plain file; copy the artifact again from where it "
    "came, or build it again.",
    "file-unreadable": "{path}: this cannot be read ({reason}); copy the artifact again from "
    "where it came, or build it again.",
    "file-changed": "{path}: these are not the bytes that were written (sha256 differs); copy "
    "the artifact again from where it came, or build it again.",
    "manifest-changed": "manifest.json: these are not the bytes that were written; copy the "
    "artifact again from where it came, or build it again.",
    "format-unknown": "manifest.json: format {format} is not the {known} that this edgekit "
    "reads; pip install --upgrade edgekit",
}

told = partial(errors.told, TEMPLATES)
