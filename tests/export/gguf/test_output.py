"""The output gguf: what a recipe may say, and what it makes of a tiny model."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, get_args

import pytest

from edgekit.checkpoint.describe import Description
from edgekit.data.rows import Row
from edgekit.errors import DataError, ExportError, RecipeError
from edgekit.export.gguf import output as gguf
from edgekit.export.gguf import sensitivity
from edgekit.export.gguf.quantizing import read_tensors
from edgekit.export.gguf.types import MIXES, TYPES
from edgekit.job.cost import Rates
from edgekit.job.job import OutputJob, Planned, Tokens
from edgekit.recipe import recipe
from edgekit.recipe.dataset import Dataset
from edgekit.store.store import Finished, Store
from edgekit.system.digest import sha256_folder
from edgekit.tables import Family
from tests.tiny import llama as tiny_llama

HEAD = """\
version: 1
name: tiny
task: chat
languages: [en]
model: ./model
data: {train: train.jsonl}
outputs:
"""


def read(folder: Path, output: str) -> recipe.BoundRecipe:
    path = folder / "recipe.yaml"
    path.write_text(f"{HEAD}  - gguf: {output}\n", encoding="utf-8")
    return recipe.read(path)


@pytest.mark.parametrize("mix", MIXES)
def test_every_mix_may_be_asked_for(tmp_path: Path, mix: str) -> None:
    assert read(tmp_path, f"{{quantize: {mix}}}").outputs[0].settings.quantize == mix


def test_the_choices_are_those_of_the_tables() -> None:
    assert get_args(gguf.Mix) == tuple(MIXES)
    assert set(get_args(gguf.Embeddings)) <= set(TYPES)


@pytest.mark.parametrize(
    ("written", "size", "bits", "name"),
    [("{size: 90MB}", 90_000_000, None, "90mb"), ("{bits: 4.5}", None, 4.5, "4.5bits")],
)
def test_a_budget_is_a_size_or_bits(
    tmp_path: Path, written: str, size: int | None, bits: float | None, name: str
) -> None:
    settings = read(tmp_path, f"{{quantize: {written}}}").outputs[0].settings
    assert (settings.quantize.size, settings.quantize.bits) == (size, bits)
    assert str(settings.quantize) == name


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("{quantize: q4km}", r"recipe.yaml:8: 'quantize' cannot be 'q4km'; did you mean 'q4_k_m'"),
        ("{quantize: {size: 1MB, bits: 4}}", "recipe.yaml:8: 'quantize' has either 'size' or"),
        ("{quantize: {}}", "recipe.yaml:8: 'quantize' has either 'size' or 'bits'"),
        ("{quantize: {bits: 40}}", "recipe.yaml:8: .*40: .*less than or equal to 16"),
        ("{quantize: {sizes: 9MB}}", "recipe.yaml:8: 'quantize' has no 'sizes'.*'size'"),
        ("{quantize: none, embeddings: q8_0}", "'quantize' is none; remove one of the two"),
        ("{quantize: none, rounding: gptq}", "'rounding' says how to quantize, but 'quantize' is"),
        ("{rounding: gptq, calibration_tokens: 0}", "cannot be 0 where 'rounding' is gptq, which"),
        ("{quantize: iq2_m, calibration_tokens: 0}", "is iq2_m: types this small need to know"),
        ("{quantize: {bits: 5}, calibration_tokens: 0}", "cannot be 0 where 'quantize' is a budg"),
    ],
)
def test_what_makes_no_sense_is_refused(tmp_path: Path, written: str, sentence: str) -> None:
    with pytest.raises(RecipeError, match=sentence):
        read(tmp_path, written)


def planned(dataset: Dataset) -> Planned:
    description = Description(
        model_type="llama", family=Family.DECODER, layers=2, hidden=64, heads=4, ffn=128,
        vocabulary=1000,
        parameters=1_000_000, embedding_parameters=64_000, max_tokens=512, labels=None,
        weights_bytes=2_000_000,
    )  # fmt: skip
    return Planned(
        place="recipe.yaml:8",
        recipe=None,
        description=description,
        dataset=dataset,
        tokens=Tokens(0, 0, 0, 512),
        rates=Rates(1e-3, 1e-4, 1e-9, 1.0, 0),
        resolve=Path,
    )


def rows_that_train(*texts: str) -> Dataset:
    return Dataset((), tuple(Row(text) for text in texts), (), (), (), {})


def test_a_plan_says_that_texts_are_missing() -> None:
    with pytest.raises(DataError, match=r"^recipe\.yaml:8: texts say which weights matter"):
        gguf.cost(gguf.GgufSettings(), planned(rows_that_train()))
    gguf.cost(gguf.GgufSettings(calibration_tokens=0), planned(rows_that_train()))


@pytest.mark.parametrize("budget", [gguf.Budget(bits=3.4), gguf.Budget(size=420_000)])
def test_a_plan_refuses_a_budget_that_no_type_can_keep(budget: gguf.Budget) -> None:
    sentence = r"^recipe\.yaml:8: .* are too few for 1\.0 million parameters, which take 429\.7 kB"
    with pytest.raises(RecipeError, match=sentence):
        gguf.cost(gguf.GgufSettings(quantize=budget), planned(rows_that_train("a")))


def test_a_budget_costs_more_than_a_mix() -> None:
    known = planned(rows_that_train("a"))
    mix = gguf.cost(gguf.GgufSettings(), known)
    assert gguf.cost(gguf.GgufSettings(quantize=gguf.Budget(bits=5.0)), known).seconds > mix.seconds


def test_rounding_by_gptq_costs_the_reading_of_the_texts() -> None:
    known = planned(rows_that_train("a"))
    for quantize in ("q4_k_m", gguf.Budget(bits=5.0)):
        near, by_gptq = (
            gguf.cost(gguf.GgufSettings(quantize=quantize, rounding=one), known).seconds
            for one in ("nearest", "gptq")
        )
        assert by_gptq > near


def test_reading_a_recipe_loads_none_of_the_heavy_packages() -> None:
    code = (
        "import sys, edgekit.export.gguf.output as g; g.GgufSettings(); "
        "print([m for m in ('gguf', 'llama_cpp', 'torch', 'transformers') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_llama.make_checkpoint(tmp_path_factory.mktemp("gguf") / "checkpoint", layers=1)


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Store:
    return Store(tmp_path_factory.mktemp("store"))


Runs = Callable[..., OutputJob]


@pytest.fixture
def job(checkpoint: Path, store: Store) -> Runs:
    def made(**changes: Any) -> OutputJob:
        def run(name: str, inputs: Mapping[str, Any], make: Any) -> Finished:
            return store.run(name, inputs, lambda out: make(out, lambda fraction: None))

        rows = [Row(text, language="en") for text in tiny_llama.texts(["en"], of_each=12)]
        settings: dict[str, Any] = {
            "checkpoint": checkpoint,
            "checkpoint_digest": sha256_folder(checkpoint),
            "rows": rows[:6],
            "rows_digest": "rows",
            "prefix": "",
            "max_tokens": 512,
            "packages": {},
            "head": "tokens",
            "run": run,
            "calibration": rows[6:],
            "calibration_digest": "calibration",
            "languages": ["en"],
            "seed": 7,
        }
        return OutputJob(**{**settings, **changes})

    return made


def run(job: OutputJob, **settings: Any) -> Any:
    return gguf.run(gguf.GgufSettings(calibration_tokens=200, **settings), job)


def test_a_mix_is_made_and_told(job: Runs) -> None:
    exported = run(job(), quantize="q4_k_m")
    assert exported.quantization == "q4_k_m"
    assert exported.record["parity"]["kld"] < 1e-4
    assert exported.record["importance"]["by_language"] == {
        "en": exported.record["importance"]["tokens"]
    }
    assert exported.record["substituted"]
    assert exported.record["size_bytes"] == exported.model.stat().st_size
    assert "peak_bytes" not in exported.record["importance"]


def test_other_rows_prove_the_same_file_anew(job: Runs) -> None:
    first = gguf.half(job())
    other = gguf.half(job(rows=job().rows[:2], rows_digest="other"))
    assert (other.reused, other.digest) == (True, first.digest)
    assert 0 < other.record["parity"]["tokens"] < first.record["parity"]["tokens"]
    assert "peak_bytes" not in other.record["parity"]


def test_none_is_the_half_itself(job: Runs) -> None:
    exported = run(job(), quantize="none")
    assert {one.type for one in read_tensors(exported.model) if one.is_matrix} == {"f16"}


def test_a_language_without_texts_is_told(job: Runs) -> None:
    exported = run(job(languages=["en", "sw"]), quantize="q8_0")
    assert exported.record["notes"] == ["no calibration text is in sw"]


def test_without_texts_to_measure_on_it_says_so(job: Runs) -> None:
    with pytest.raises(DataError, match="neither 'train' nor 'unlabeled'"):
        run(job(calibration=()), quantize="q4_0")


def test_a_budget_too_small_is_refused_before_anything_is_measured(job: Runs) -> None:
    asked: list[str] = []
    of_store = job().run

    def listening(name: str, inputs: Mapping[str, Any], make: Any) -> Finished:
        asked.append(name)
        return of_store(name, inputs, make)

    with pytest.raises(ExportError, match="less than this model takes"):
        run(job(run=listening), quantize=gguf.Budget(bits=2.0))
    assert asked == ["gguf-convert", "gguf-parity"]


def test_a_budget_is_kept_and_compared(job: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensitivity, "part_of", lambda name, layers: name.split(".")[-2][:3])
    stock = run(job(), quantize="q4_k_m", embeddings="q8_0")
    size = stock.model.stat().st_size
    exported = run(job(), quantize=gguf.Budget(size=size), embeddings="q8_0")
    assert exported.model.stat().st_size <= size
    types = {one.name: one.type for one in read_tensors(exported.model)}
    assert types["token_embd.weight"] == "q8_0"
    tried = {one["types"]: one for one in exported.record["tried"]}
    assert [*tried][:2] == ["chosen", "chosen, GPTQ"]
    assert len(tried) == 3
    fitting = {name: one["kld"] for name, one in tried.items() if one["size_bytes"] <= size}
    assert fitting[exported.record["taken"]] == min(fitting.values())
    assert [path.name for path in exported.model.parent.glob("*.gguf")] == ["model.gguf"]


def test_a_mix_is_rounded_as_told(job: Runs) -> None:
    near = run(job(), quantize="q4_0")
    by_gptq = run(job(), quantize="q4_0", rounding="gptq")
    assert "rounded" not in near.record
    assert by_gptq.record["rounded"] == 7
    assert by_gptq.record["types"] == near.record["types"]
    assert by_gptq.model.read_bytes() != near.model.read_bytes()


def test_a_budget_may_be_rounded_each_by_itself(job: Runs, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sensitivity, "part_of", lambda name, layers: name.split(".")[-2][:3])
    exported = run(job(), quantize=gguf.Budget(bits=7.0), rounding="nearest")
    assert "chosen, GPTQ" not in {one["types"] for one in exported.record["tried"]}
