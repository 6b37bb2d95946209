from __future__ import annotations

import contextlib
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from edgekit.errors import RecipeError
from edgekit.recipe import strict_yaml

BAD = {
    "duplicate key": (b"a: 1\nb: 2\na: 3\n", "x.yaml:3: the key 'a' stands here twice"),
    "alias": (b"a: &x [1]\nb: *x\n", "x.yaml:1: anchors and aliases"),
    "tag": (b"a: !!python/object/apply:os.system [ls]\n", "x.yaml:1: the tag"),
    "plain tag": (b"a: !thing b\n", "x.yaml:1: the tag"),
    "two documents": (b"a: 1\n---\nb: 2\n", "x.yaml:2: a second document"),
    "too deep": (b"a: " + b"[" * 40 + b"]" * 40, "x.yaml:1: more than 20 levels"),
    "far too deep": (b"[" * 60_000, "x.yaml:1: more than 20 levels"),
    "too long": (b"a: " + b"x" * 70_000, "too many for a recipe"),
    "not UTF-8": (b"a: 1\nb: \xff\xfe\n", "x.yaml:2: this is not UTF-8"),
    "NUL": (b"a: 1\nb: \x00\n", "x.yaml:2: it holds the control character"),
    "broken": (b"a: [1, 2\nb: 3\n", "x.yaml:2: this is not YAML"),
    "list as key": (b"? [1, 2]\n: 3\n", "a key must be a word"),
    "tab": (b"a:\n\tb: 1\n", "x.yaml:2: this is not YAML"),
}


@pytest.mark.parametrize(("data", "sentence"), BAD.values(), ids=BAD.keys())
def test_what_yaml_can_do_beyond_data_is_refused_with_its_line(data: bytes, sentence: str) -> None:
    with pytest.raises(RecipeError) as caught:
        strict_yaml.parse(data, "x.yaml")
    assert sentence in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("no", "no"),
        ("yes", "yes"),
        ("off", "off"),
        ("1:30", "1:30"),
        ("0o17", "0o17"),
        ("0x1f", "0x1f"),
        ("1_000", "1_000"),
        ("2024-01-01", "2024-01-01"),
        ("true", True),
        ("~", None),
        ("12", 12),
        ("1e-3", 1e-3),
        ("5e-5", 5e-5),
        (".5", 0.5),
        ("'7'", "7"),
        ("9" * 30, "9" * 30),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: object) -> None:
    found = strict_yaml.parse(f"a: {text}".encode(), "x.yaml").value["a"]
    assert found == value
    assert type(found) is type(value)


def test_every_value_knows_its_line() -> None:
    document = strict_yaml.parse(
        b"\xef\xbb\xbfa: 1\nsteps:\n  - prune:\n      heads: 2\n", "r.yaml"
    )
    assert document.place(("steps", 0, "prune", "heads")) == "r.yaml:4"
    assert document.place(("steps", 0, "prune", "missing")) == "r.yaml:3"
    assert document.place(("nowhere",)) == "r.yaml:1"


@given(st.binary(max_size=300))
def test_any_bytes_give_data_or_a_recipe_error(data: bytes) -> None:
    with contextlib.suppress(RecipeError):
        value = strict_yaml.parse(data, "x.yaml").value
        assert json.loads(json.dumps(value)) == value or value != value
