"""A file of rules: read whole or refused in one sentence, with file and line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from edgekit.errors import RecipeError
from edgekit.recipe import rules
from edgekit.watching.rules import Crossing, Do, Drift, Window

KNOWN = rules.Known(("heat", "light"), frozenset({"en"}), {"heat": 30, "light": 70})
WHOLE = """\
version: 1
rules:
  - name: heat
    share: {label: heat, over: 0.3, within: 1h, by: language, rows: 100}
    do: {command: [notify-send, edgekit], webhook: "http://127.0.0.1:9000/alarm"}
  - name: many
    count: {label: light, over: 5, within: 1_000 rows}
  - name: unsure
    abstained: {over: 0.2, within: 500 rows}
  - name: strangers
    unknown_language: {under: 0.1, within: 10min, by: source}
  - name: mix
    drift: {}
  - name: own-mix
    drift: {within: 500 rows, expected: 2000 rows, false_alarms: 0.01, distance: 0.2}
"""


def read(tmp_path: Path, text: str, known: rules.Known = KNOWN) -> rules.watching.Rules:
    path = tmp_path / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return rules.read(path, known)


def test_every_kind_is_read(tmp_path: Path) -> None:
    found = read(tmp_path, WHOLE)
    assert found.languages == {"en"}
    heat, many, unsure, strangers, mix, own = found.rules
    assert heat == Crossing(
        name="heat", counted="label", label="heat", as_share=True, over=0.3,
        within=Window(3600, "seconds"), by="language", at_least=100,
        do=Do(("notify-send", "edgekit"), "http://127.0.0.1:9000/alarm"),
    )  # fmt: skip
    assert isinstance(many, Crossing)
    assert (many.as_share, many.over, many.within) == (False, 5, Window(1000, "rows"))
    assert isinstance(unsure, Crossing)
    assert (unsure.counted, unsure.at_least) == ("abstained", 50)
    assert isinstance(strangers, Crossing)
    assert (strangers.counted, strangers.under, strangers.by) == ("unknown_language", 0.1, "source")
    assert mix == Drift(
        name="mix", expected={"heat": 30, "light": 70}, rows=1000, false_alarms=0.001, distance=0.1
    )
    assert own == Drift(
        name="own-mix", expected=None, learnt_rows=2000, rows=500, false_alarms=0.01, distance=0.2
    )


@pytest.mark.parametrize(
    ("before", "after", "sentence"),
    [
        ("over: 0.3", "ovr: 0.3", r"rules\.yaml:4: the file of rules has no key 'ovr'"),
        ("over: 0.3, ", "", r"rules\.yaml:4: 'over' or 'under' is the line"),
        ("over: 0.3", "over: 0.3, under: 0.1", r"rules\.yaml:4: 'over' or 'under' is the line"),
        ("over: 0.3", "over: 30", r"rules\.yaml:4: '.*over' cannot be 30"),
        ("label: heat", "label: hat", r"rules\.yaml:3: 'heat': no label .* mean 'heat'"),
        ("within: 1h", "within: 1", r"rules\.yaml:4: .*give a window such as 1h"),
        ("within: 1h", "within: 0s", r"rules\.yaml:4: .*longer than nothing"),
        ("name: many", "name: heat", r"rules\.yaml:2: 'rules' has two rules called 'heat'"),
        ("drift: {}", "drift: {within: 1h}", r"rules\.yaml:12: 'mix': drift is judged over 100"),
        ("drift: {}", "do: {}", r"rules\.yaml:12: 'name' is of a rule that needs one of share"),
        ("http://127", "ftp://127", r"rules\.yaml:5: '.*webhook' cannot be"),
        ("version: 1", "version: 2", r"rules\.yaml:1: 'version' cannot be 2"),
        ("[notify-send, edgekit]", "notify-send", r"rules\.yaml:5: '.*command' cannot be"),
    ],
)
def test_what_is_wrong_is_said(tmp_path: Path, before: str, after: str, sentence: str) -> None:
    assert before in WHOLE
    with pytest.raises(RecipeError, match=sentence):
        read(tmp_path, WHOLE.replace(before, after, 1))


def test_the_rules_of_the_docs_are_valid(tmp_path: Path) -> None:
    page = (Path(__file__).parent.parent.parent / "docs" / "watching.md").read_text(
        encoding="utf-8"
    )
    (block,) = re.findall(r"^```yml\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    known = rules.Known(("fever", "accident"), KNOWN.languages, {"fever": 1, "accident": 9})
    assert len(read(tmp_path, block, known).rules) == 5


def test_drift_needs_something_to_expect(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match="let the first rows say it"):
        read(tmp_path, WHOLE, rules.Known(KNOWN.labels, KNOWN.languages, None))
    with pytest.raises(RecipeError, match="does not exist"):
        rules.read(tmp_path / "gone.yaml", KNOWN)
