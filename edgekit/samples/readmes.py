"""The READMEs and licences that samples put beside their files: what stands in texts/."""

from __future__ import annotations

from importlib import resources


def text(name: str) -> str:
    return resources.files(__package__).joinpath("texts", name).read_text(encoding="utf-8")
