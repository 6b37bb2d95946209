"""The READMEs and licences that samples put beside their files."""

from __future__ import annotations

from importlib import resources


def text(name: str) -> str:
    return resources.files(__package__).joinpath(name).read_text(encoding="utf-8")
