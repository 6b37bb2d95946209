"""What README and docs/ promise: commands exist, recipes and programs are real, links lead on."""

from __future__ import annotations

import ast
import functools
import importlib
import inspect
import json
import os
import re
import runpy
import shlex
import string
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

import edgekit
from edgekit import cli, errors, tables
from edgekit.checkpoint.decoders import DECODERS
from edgekit.recipe import recipe
from tests.wording import catalogues

ROOT = Path(__file__).parent.parent
DOCS = ROOT / "docs"
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
TEXTS = {page.relative_to(ROOT).as_posix(): page.read_text(encoding="utf-8") for page in PAGES}
BLOCKS = [
    (name, kind, block)
    for name, text in TEXTS.items()
    for kind, block in re.findall(r"^```(\w*)\n(.*?)^```", text, re.DOTALL | re.MULTILINE)
]
# What a part of a recipe is laid over, to be read.
WHOLE: dict[str, Any] = {
    "version": 1, "name": "part", "task": "classification", "languages": ["en"], "model": "./m",
    "data": {"train": "a.csv", "validation": "b.csv", "test": "c.csv"},
    "outputs": [{"onnx": None}],
}  # fmt: skip
# Attributes that fetch something when a page is shown.
FETCHED = re.compile(r"<(?:script|link|img|iframe|source)\b[^>]*?(?:src|href)=[\"']?(?:https?:)?//")


def commands() -> list[str]:
    """Every line of edgekit's in a block of a page or a rule of the Makefile."""
    in_blocks = "\n".join(block for _, kind, block in BLOCKS if not kind)
    rules = MAKEFILE.replace("$(BIN)/", "")
    lines = f"{in_blocks}\n{rules}".replace("\\\n", " ").splitlines()
    found = [re.sub(r"^accelerate .* -m edgekit ", "edgekit ", line.strip()) for line in lines]
    return [line for line in found if line.startswith("edgekit ")]


def programs() -> list[str]:
    return [block for _, kind, block in BLOCKS if kind == "python"]


def known(schema: dict[str, Any], key: str) -> set[str]:
    """The names that may stand in `steps` or `outputs`."""
    choices = schema["properties"][key]["items"]["oneOf"]
    return {name for one in choices for name in one["properties"]}


@pytest.fixture
def schema(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert cli.main(["schema"]) == cli.DONE
    return dict(json.loads(capsys.readouterr().out))


def read(tmp_path: Path, value: object) -> recipe.BoundRecipe:
    path = tmp_path / "recipe.yaml"
    path.write_text(json.dumps(value), encoding="utf-8")
    return recipe.read(path)


@pytest.mark.parametrize("line", commands())
def test_every_command_is_understood(line: str) -> None:
    arguments = shlex.split(line.replace(" && ", " # "), comments=True)[1:]
    settings = cli._parse(arguments)
    assert callable(settings.run)


def test_every_command_and_target_that_is_named_is_there() -> None:
    text = "\n".join(TEXTS.values())
    assert set(re.findall(r"`edgekit ([a-z]+)", text)) <= set(cli.COMMANDS)
    in_blocks = "\n".join(block for _, kind, block in BLOCKS if not kind)
    targets = re.findall(r"`make ([a-z-]+)", text) + re.findall(
        r"^make ([a-z-]+)", in_blocks, re.MULTILINE
    )
    for target in targets:
        assert re.search(rf"^{target}:", MAKEFILE, re.MULTILINE), target


def test_every_command_of_the_table_exists_and_the_other_way_round() -> None:
    table = TEXTS["docs/commands.md"].split("| command | does |")[1].split("\n\n")[0]
    assert set(re.findall(r"`edgekit ([a-z]+)", table)) == set(cli.COMMANDS)


@pytest.mark.parametrize("block", [block for _, kind, block in BLOCKS if kind == "yaml"])
def test_every_recipe_is_valid(block: str, tmp_path: Path) -> None:
    value = yaml.safe_load(block)
    if "version" in value:
        assert read(tmp_path, value).recipe.name == value["name"]
    else:
        read(tmp_path, {**WHOLE, **value})


def test_every_shipped_recipe_is_in_the_table() -> None:
    table = TEXTS["docs/recipes.md"].split("| recipe | for | does |")[1].split("\n\n")[0]
    firsts = [line.split("|")[1] for line in table.splitlines() if line.startswith("| `")]
    named = {name for first in firsts for name in re.findall(r"`([a-z0-9-]+)`", first)}
    assert named == set(recipe.shipped())


def test_the_table_of_decoders_is_what_the_export_goes_by() -> None:
    made = runpy.run_path(str(DOCS / "decoders.py"))
    assert TEXTS["docs/model.md"] == made["page"](TEXTS["docs/model.md"]), "run `make docs`"
    for kind in DECODERS:
        assert f"| `{kind}` |" in made["table"]()


def test_the_reference_is_what_the_schema_says(schema: dict[str, Any], tmp_path: Path) -> None:
    made = runpy.run_path(str(DOCS / "reference.py"))["reference"](schema)
    assert TEXTS["docs/recipe-reference.md"] == made, "run `make docs`"
    for name in known(schema, "steps") | known(schema, "outputs"):
        assert f"### {name}\n" in made
    # Tasks without a table of their own share the first, as the page says: all have all steps.
    for task in schema["properties"]["task"]["enum"]:
        directed = tables.task(task).directed
        spoken: Any = {"from": ["en"], "to": ["fr"]} if directed else WHOLE["languages"]
        for step in known(schema, "steps"):
            value = {**WHOLE, "task": task, "languages": spoken, "steps": [{step: {"no_such": 1}}]}
            with pytest.raises(errors.RecipeError, match=f"{step}.* has no key 'no_such'"):
                read(tmp_path, value)


def test_the_whole_program_is_the_tested_one() -> None:
    example = (ROOT / "tests" / "runtime" / "embedded_example.py").read_text(encoding="utf-8")
    assert example in programs()


@pytest.mark.parametrize("text", programs())
def test_every_program_calls_what_is_there(text: str) -> None:
    tree = ast.parse(text)
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for name in node.names:
                importlib.import_module(name.name)
        elif isinstance(node, ast.ImportFrom):
            module = importlib.import_module(str(node.module))
            assert all(hasattr(module, name.name) for name in node.names)
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            owner = {"edgekit": edgekit, "model": edgekit.Model}.get(ast.unparse(node.func.value))
            if owner is not None:
                wanted = inspect.signature(getattr(owner, node.func.attr)).parameters
                assert {keyword.arg for keyword in node.keywords} <= set(wanted)


@pytest.mark.parametrize("name", TEXTS)
def test_every_link_leads_somewhere(name: str) -> None:
    page = ROOT / name
    for target in re.findall(r"\]\(([^)\s]+)\)", TEXTS[name]):
        if re.match(r"https?://", target):
            continue
        file, _, anchor = target.partition("#")
        found = page.parent / file if file else page
        assert found.is_file(), target
        if anchor:
            assert anchor in anchors(found.read_text(encoding="utf-8")), target


def anchors(text: str) -> set[str]:
    """Of headings, as Markdown's toc makes them."""
    headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
    words = (re.sub(r"[^\w\s-]", "", heading).strip().lower() for heading in headings)
    return {re.sub(r"[\s-]+", "-", word) for word in words}


def test_the_readme_takes_three_minutes() -> None:
    assert len(TEXTS["README.md"].splitlines()) <= 200
    assert set(re.findall(r"\]\(docs/([a-z-]+\.md)", TEXTS["README.md"])) == {
        page.name for page in DOCS.glob("*.md")
    } - {"contributing.md"}


def test_every_family_of_errors_is_told_of() -> None:
    families = {name for name, kind in vars(errors).items()
                if isinstance(kind, type) and issubclass(kind, errors.EdgekitError)}  # fmt: skip
    headings = re.findall(r"^## (\w+)$", TEXTS["docs/errors.md"], re.MULTILINE)
    assert set(headings) == families - {"EdgekitError"}


def sentences() -> list[str]:
    """What docs/errors.md quotes, each on one line."""
    quotes = re.findall(r"(?:^> .*\n)+", TEXTS["docs/errors.md"], re.MULTILINE)
    return [" ".join(quote.replace("\n> ", " ").removeprefix("> ").split()) for quote in quotes]


@functools.cache
def templates() -> list[list[str | None]]:
    """Every text of edgekit's code that is long enough to be told from others, in parts."""
    nodes = (
        node
        for path in (ROOT / "edgekit").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
    )
    sentences = (list(parts_of(template)) for template in catalogues.texts().values())
    found = (*(list(literals(node)) for node in nodes), *sentences)
    return [parts for parts in found if sum(len(part or "") for part in parts) >= 15]


def parts_of(template: str) -> Iterator[str | None]:
    """The parts of an error's sentence; None for what is filled in."""
    for text, name, _, _ in string.Formatter().parse(template):
        yield text
        if name is not None:
            yield None


def literals(node: ast.AST) -> Iterator[str | None]:
    """The parts of a text or an f-string; None for what is filled in."""
    if isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    elif isinstance(node, ast.JoinedStr):
        for part in node.values:
            yield part.value if isinstance(part, ast.Constant) else None


@pytest.mark.parametrize("sentence", sentences())
def test_every_sentence_that_is_quoted_is_printed(sentence: str) -> None:
    near = (parts for parts in templates() if all(part in sentence for part in parts if part))
    patterns = (".*".join(re.escape(part or "") for part in parts) for parts in near)
    assert any(re.fullmatch(pattern, sentence) for pattern in patterns)


def test_the_site_is_built_and_fetches_nothing(tmp_path: Path) -> None:
    made = tmp_path / "site"
    done = subprocess.run(
        [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", made],
        cwd=ROOT, env={**os.environ, "NO_MKDOCS_2_WARNING": "1"}, text=True,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
    pages = list(made.rglob("*.html"))
    assert len(pages) > len(list(DOCS.glob("*.md")))
    for page in pages:
        assert not FETCHED.search(page.read_text(encoding="utf-8")), page.name
    for sheet in (*made.rglob("*.css"), *made.rglob("*.svg")):
        text = sheet.read_text(encoding="utf-8")
        assert not re.search(r"(?:@import|url\()\s*[\"']?(?:https?:)?//", text), sheet.name
