"""A recipe with an adapter: the commonest LoRA classifier is built, the wrong ones are refused."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import peft
import pytest
import torch
from transformers import AutoModelForSequenceClassification

from edgekit.checkpoint import models, weights
from edgekit.cli import main
from tests.tiny import encoder as tiny

MODEL = "model: {base: ./encoder, adapter: ./adapter, labels: [heat, light, music]}\n"


def run(capsys: pytest.CaptureFixture[str], *arguments: object) -> tuple[int, str, str]:
    code = main([str(argument) for argument in arguments])
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def adapted(project: Path) -> Path:
    """A bare encoder and an adapter that holds the head, as Trainer leaves it."""
    torch.manual_seed(0)
    base = AutoModelForSequenceClassification.from_pretrained(project / "encoder", num_labels=3)
    config = peft.LoraConfig(task_type="SEQ_CLS", r=4, target_modules=["query", "value"])
    tuned = peft.get_peft_model(base, config)
    with torch.no_grad():
        for parameter in tuned.parameters():
            if parameter.requires_grad:
                parameter.add_(torch.randn_like(parameter))
    tuned.save_pretrained(project / "adapter")
    recipe = project / "recipe.yaml"
    text = recipe.read_text().replace("model: ./encoder\n", MODEL).replace("int8", "none")
    step = next(line for line in text.splitlines() if "finetune" in line)
    recipe.write_text(text.replace(f"steps:\n{step}\n", ""))
    return project


def test_a_bare_encoder_with_an_adapter_that_holds_the_head_is_planned(
    adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(capsys, "plan", adapted / "recipe.yaml")
    assert code == 0, err
    assert "3 labels" in out


@pytest.mark.slow
def test_a_bare_encoder_with_an_adapter_that_holds_the_head_is_built(
    adapted: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    card = "---\nlicense: cc-by-4.0\nbase_model: someone/base\n---\n"
    (adapted / "adapter" / "README.md").write_text(card)
    code, out, err = run(capsys, "compress", adapted / "recipe.yaml", "--json")
    assert code in (0, 3, 4), err
    base = AutoModelForSequenceClassification.from_pretrained(adapted / "encoder", num_labels=3)
    tuned = peft.PeftModel.from_pretrained(base, adapted / "adapter").eval()
    ids = torch.arange(5, 30)[None]
    with torch.inference_mode():
        wanted = tuned(input_ids=ids).logits
        found = models.load_classifier(adapted / "out" / "teacher")(input_ids=ids).logits
    assert (found - wanted).abs().max() <= 1e-4
    artifact = Path(json.loads(out)["artifacts"][0]["path"])
    manifest = json.loads((artifact / "manifest.json").read_text())
    assert manifest["labels"] == list(tiny.LABELS)
    assert manifest["parents"][1] == {"name": "adapter", "licence": "cc-by-4.0"}
    assert manifest["licence"].endswith(" AND cc-by-4.0")


def of_another_kind(project: Path) -> None:
    path = project / "adapter" / "adapter_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"peft_type": "PROMPT_TUNING"}))


def of_another_base(project: Path) -> None:
    tiny_config = project / "encoder" / "config.json"
    found = json.loads(tiny_config.read_text())
    torch.manual_seed(0)
    other = {**found, "hidden_size": 32, "num_attention_heads": 2}
    model = AutoModelForSequenceClassification.from_config(
        models.AutoConfig.for_model(**other, num_labels=3)
    )
    config = peft.LoraConfig(task_type="SEQ_CLS", r=4, target_modules=["query", "value"])
    peft.get_peft_model(model, config).save_pretrained(project / "adapter")


def untrained(project: Path) -> None:
    base = AutoModelForSequenceClassification.from_pretrained(project / "encoder", num_labels=3)
    base.save_pretrained(project / "encoder")
    config = peft.LoraConfig(task_type="SEQ_CLS", r=4, target_modules=["query", "value"])
    peft.get_peft_model(base, config).save_pretrained(project / "adapter")


def without_names(project: Path) -> None:
    recipe = project / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace(", labels: [heat, light, music]", ""))


def without_adapter(project: Path) -> None:
    recipe = project / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace("adapter: ./adapter, ", ""))


def as_model(project: Path) -> None:
    recipe = project / "recipe.yaml"
    recipe.write_text(recipe.read_text().replace(MODEL, "model: ./adapter\n"))


BAD = {
    "another kind": (of_another_kind, "of the type PROMPT_TUNING, and only LoRA can be merged"),
    "another base": (of_another_base, "it was trained on another model"),
    "untrained": (untrained, "the adapter changes nothing"),
    "no names": (without_names, "labels: [first, second, …]"),
    "names for nothing": (without_adapter, "recipe.yaml:5: labels is for an adapter"),
    "an adapter as model": (as_model, "is an adapter and no checkpoint"),
}


@pytest.mark.parametrize(("spoil", "sentence"), BAD.values(), ids=BAD)
def test_a_wrong_adapter_is_told_in_a_sentence_by_plan_and_compress(
    adapted: Path,
    capsys: pytest.CaptureFixture[str],
    spoil: Callable[[Path], None],
    sentence: str,
) -> None:
    spoil(adapted)
    for command in ("plan", "compress"):
        code, _, err = run(capsys, command, adapted / "recipe.yaml")
        assert code == 1
        assert sentence in " ".join(err.split())
        assert "Traceback" not in err
    assert not (adapted / "out").exists()


def test_plan_says_which_weights_are_not_read(
    project: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = project / "encoder" / "model-00001-of-00001.safetensors"
    old.write_bytes((project / "encoder" / weights.WHOLE).read_bytes())
    index = {"metadata": {}, "weight_map": dict.fromkeys(weights.places(project / "encoder"),
                                                         old.name)}  # fmt: skip
    (project / "encoder" / weights.INDEX).write_text(json.dumps(index))
    code, out, err = run(capsys, "plan", project / "recipe.yaml")
    assert code == 0, err
    assert f"not read: {old.name}, {weights.INDEX}; delete" in out
    assert (
        "model-00001"
        in json.loads(run(capsys, "plan", project / "recipe.yaml", "--json")[1])["notes"][0]
    )
