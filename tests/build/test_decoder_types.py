"""Decoders of every type, each from a recipe with every step to an artifact."""

from __future__ import annotations

from pathlib import Path

import pytest

from edgekit.build import build, plan
from edgekit.checkpoint.decoders import DECODERS
from edgekit.recipe import recipe
from tests.tiny import chat as tiny_chat
from tests.tiny import llama as tiny_llama

LOOSE = ("kld=9.0", "top1=0.0", "ppl_ratio=99.0", "worst_language_kld=9.0")
STEPS = (
    "[{prune: {layers: 4, ffn: 0.5, tokens: 256}}, {distill: {epochs: 1, tokens: 600}}, "
    "{trim_vocab: {most_tokens_rise: 9.0, most_unknown_rise: 1.0}}]"
)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(DECODERS))
def test_a_recipe_with_every_step_leaves_an_artifact(kind: str, tmp_path: Path) -> None:
    """Each proves itself: the logits over the kept pieces, the f16 file against transformers."""
    project = tmp_path / "project"
    tiny_chat.make_project(project)
    for path in (project / "model").iterdir():
        path.unlink()
    tiny_llama.make_checkpoint(project / "model", kind, layers=8)
    changes = [f"steps={STEPS}", *(f"must.{one}" for one in LOOSE)]
    made = plan.make(recipe.read(project / "recipe.yaml", changes=changes))
    manifest = build.compress(made).artifacts[0].manifest
    prune, distill, trim, *_ = manifest["steps"]
    assert (prune["before"]["layers"], prune["after"]["layers"]) == (8, 4)
    assert distill["proof"]["kld"]["after"] <= distill["proof"]["kld"]["before"]
    assert trim["after"]["pieces_removed"] > 0
    assert any(one.get("bit_equal") for one in trim["proof"]["by_language"].values())
    assert manifest["quality"]["kld"] > 0.001
