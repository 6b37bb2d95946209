"""What the README promises: its commands exist, its recipe and its program are real."""

from __future__ import annotations

import ast
import inspect
import re
import shlex
from pathlib import Path

import pytest

from edgekit import cli
from edgekit.build import trim_gguf as trimming
from edgekit.recipe import recipe
from edgekit.steps.trim_vocab.plan import TrimVocabSettings

ROOT = Path(__file__).parent.parent
README = (ROOT / "README.md").read_text(encoding="utf-8")
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```(\w*)\n(.*?)^```", README, re.DOTALL | re.MULTILINE)


def commands() -> list[str]:
    """Every line that begins with `edgekit` in a block of the README or a rule of the Makefile."""
    in_blocks = [line for kind, text in BLOCKS if not kind for line in text.splitlines()]
    rules = MAKEFILE.replace("\\\n", " ").replace("$(BIN)/", "").splitlines()
    found = [line.strip() for line in (*in_blocks, *rules)]
    return [line for line in found if line.startswith("edgekit ")]


@pytest.mark.parametrize("line", commands())
def test_every_command_is_understood(line: str) -> None:
    arguments = shlex.split(line.replace(" && ", " # "), comments=True)[1:]
    settings = cli._parse(arguments)
    assert callable(settings.run)


def test_every_make_target_is_there() -> None:
    for target in re.findall(r"`?make ([a-z-]+)", README):
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


def test_every_command_of_the_table_exists_and_the_other_way_round() -> None:
    table = README.split("| command | does |")[1].split("\n\n")[0]
    named = set(re.findall(r"`edgekit ([a-z]+)", table))
    assert named == set(cli.COMMANDS)


def test_the_recipe_is_valid(tmp_path: Path) -> None:
    [text] = [text for kind, text in BLOCKS if kind == "yaml"]
    path = tmp_path / "recipe.yaml"
    path.write_text(text, encoding="utf-8")
    assert recipe.read(path).recipe.name == "home-intents"


def test_the_program_is_the_tested_one() -> None:
    example = (ROOT / "tests" / "runtime" / "embedded_example.py").read_text(encoding="utf-8")
    assert ("python", example) in BLOCKS


def test_its_calls_name_settings_that_exist() -> None:
    """Of functions that no shipped program calls: a GGUF is trimmed by a program alone."""
    [text] = [text for kind, text in BLOCKS if kind == "python" and "trimming.trim" in text]
    calls = [node for node in ast.walk(ast.parse(text)) if isinstance(node, ast.Call)]
    [call] = [one for one in calls if ast.unparse(one.func) == "trimming.trim"]
    named = {one.arg for one in call.keywords}
    wanted = inspect.signature(trimming.trim).parameters.values()
    assert named == {one.name for one in wanted if one.kind is one.KEYWORD_ONLY}
    [settings] = [one for one in calls if ast.unparse(one.func) == "TrimVocabSettings"]
    assert {one.arg for one in settings.keywords} <= set(TrimVocabSettings.model_fields)
