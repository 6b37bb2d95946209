"""What llama.cpp's own converter writes once it is fetched, proven like our own files."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from edgekit.build import build, plan
from edgekit.checkpoint import converter
from edgekit.errors import RecipeError
from edgekit.export.gguf import convert, parity
from edgekit.recipe import recipe
from edgekit.samples import llama_cpp
from edgekit.system import child
from tests.tiny import chat as tiny_chat
from tests.tiny import llama as tiny_llama

TEXTS = tiny_llama.texts(("en", "ar", "zh", "th"), of_each=1)
pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cache with the converter in it; pip fetches what it is made of."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("EDGEKIT_CACHE", str(folder))
        llama_cpp.fetch()
    return folder


@pytest.fixture(autouse=True)
def _at_hand(cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(converter.VARIABLE, raising=False)
    monkeypatch.setenv("EDGEKIT_CACHE", str(cache))


@pytest.mark.parametrize("kind", sorted(tiny_llama.HYBRIDS))
def test_it_predicts_as_the_checkpoint_does(kind: str, tmp_path: Path) -> None:
    checkpoint, model = tmp_path / "checkpoint", tmp_path / "model.gguf"
    checkpoint.mkdir()
    tiny_llama.make_checkpoint(checkpoint, kind, layers=4, dtype=torch.float16)
    record = convert.convert(checkpoint, model, languages=["en"])
    assert record["tokenizer"]["proven"]["tokens"] > 50_000
    assert record["chat"]["conversations"] == 18
    assert record["notes"] == ["converted by llama.cpp's own converter"]
    asked = {"pairs": {kind: (str(checkpoint), str(model), TEXTS)}}
    done = child.ask("tests.export.gguf.parity_of_many", "compare", asked, doing="comparing")
    assert done[kind]["kld"] <= parity.MOST_DIVERGENCE
    assert done[kind]["remembered"] == pytest.approx(record["kv_bytes_per_token"], rel=0.01)


@pytest.mark.parametrize("kind", ["gemma4_text", "lfm2", "qwen3_5_text"])
def test_a_recipe_leaves_an_artifact(kind: str, tmp_path: Path) -> None:
    """The steps do not know it, and say so; the export, its proof and the judgement do."""
    project = tmp_path / "project"
    tiny_chat.make_project(project)
    for path in (project / "model").iterdir():
        path.unlink()
    tiny_llama.make_checkpoint(project / "model", kind, layers=4, dtype=torch.float16)
    for step in ("prune: {layers: 2}", "trim_vocab: {}", "distill: {}"):
        with pytest.raises(RecipeError, match=rf"{kind} model.*Drop the step"):
            plan.make(recipe.read(project / "recipe.yaml", changes=[f"steps=[{{{step}}}]"]))
    manifest = build.compress(plan.make(recipe.read(project / "recipe.yaml"))).artifacts[0].manifest
    assert manifest["quality"]["kld"] < 0.05
