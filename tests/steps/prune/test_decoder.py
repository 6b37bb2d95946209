"""Layers and neurons leave a decoder of every architecture, and what is left is a checkpoint."""

from __future__ import annotations

import dataclasses
import json
import shutil
import tempfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM, PreTrainedModel

from edgekit.build import plan
from edgekit.checkpoint import narrowing, tensors
from edgekit.checkpoint.describe import describe
from edgekit.checkpoint.narrowing import Part
from edgekit.data.rows import Row
from edgekit.errors import EdgekitError, RecipeError, StepError
from edgekit.export.gguf import convert, parity
from edgekit.job.job import Job
from edgekit.recipe import recipe
from edgekit.steps.prune.decoder import measure as decoder
from edgekit.steps.prune.decoder import plan as prune_chat
from edgekit.steps.prune.decoder import run as pruning_chat
from edgekit.steps.prune.decoder.plan import PruneSettings
from edgekit.steps.prune.decoder.run import run as run_prune
from edgekit.training import windows
from tests.tiny import chat as tiny_chat
from tests.tiny import llama as tiny_llama
from tests.tiny.job import make_job

BIASES = {"attention_bias": True, "mlp_bias": True}
IDS = torch.arange(3, 60)[None]


@pytest.fixture(scope="module")
def deep(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """A checkpoint of four layers of each architecture; not to be changed."""
    folder = tmp_path_factory.mktemp("deep")

    def make(name: str) -> Path:
        path = folder / name
        if path.is_dir():
            return path
        architecture, config = ("llama", BIASES) if name == "biases" else (name, None)
        return tiny_llama.make_checkpoint(path, architecture, layers=4, config=config)

    return make


@pytest.fixture
def job_of(
    made_chat_project: Path, deep: Callable[[str], Path], tmp_path: Path
) -> Callable[[str], Job]:
    def make(architecture: str) -> Job:
        out = tmp_path / f"out-{architecture}-{len(list(tmp_path.iterdir()))}"
        out.mkdir()
        return make_job(made_chat_project, deep(architecture), out)

    return make


@pytest.fixture(autouse=True)
def _short_proof(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pruning_chat, "PROOF_TOKENS", 512)


def load(folder: Path) -> PreTrainedModel:
    found: PreTrainedModel = AutoModelForCausalLM.from_pretrained(
        folder, dtype=torch.float32, attn_implementation="eager"
    )
    return found.eval()


def logits(model: PreTrainedModel) -> torch.Tensor:
    with torch.inference_mode():
        return model(input_ids=IDS, use_cache=False).logits


def with_layers(model: PreTrainedModel, kept: Sequence[int]) -> PreTrainedModel:
    """The definition: the layers of the module itself, others taken out."""
    body = model.get_decoder()
    body.layers = torch.nn.ModuleList(body.layers[number] for number in kept)
    body.config.num_hidden_layers = len(kept)
    if kinds := getattr(body.config, "layer_types", None):
        body.config.layer_types = [kinds[number] for number in kept]  # which mask each gets
    return model


def silence(model: PreTrainedModel, kept: Sequence[np.ndarray]) -> PreTrainedModel:
    """Neurons that are gone add nothing."""
    with torch.no_grad():
        for layer, neurons in zip(model.get_decoder().layers, kept, strict=True):
            gone = np.setdiff1d(np.arange(layer.mlp.down_proj.in_features), neurons)
            layer.mlp.down_proj.weight[:, gone] = 0
    return model


@pytest.mark.parametrize("architecture", [*sorted(tiny_llama.ARCHITECTURES), "biases"])
def test_what_is_left_computes_what_it_did_within_the_whole(
    job_of: Callable[[str], Job], architecture: str
) -> None:
    job = job_of(architecture)
    record = run_prune(PruneSettings(layers=[0, 3], ffn=0.5, tokens=256), job)
    found = describe(job.out)
    assert (found.layers, found.ffn) == (2, 64)
    assert record["after"] == {"kept_layers": [0, 3], "ffn": 64}
    settings = PruneSettings(layers=[0, 3], ffn=0.5, tokens=256)
    reader = windows.reader(
        job.checkpoint, model_type=found.model_type, rows=job.description.vocabulary
    )
    ids = [one.ids for one in pruning_chat._texts(settings, job, reader)]
    measured = decoder.measure(job.checkpoint, ids, removed=0, on_progress=lambda fraction: None)
    kept = [np.sort(np.argsort(-measured.importance[number])[:64]) for number in (0, 3)]
    whole = silence(with_layers(load(job.checkpoint), [0, 3]), kept)
    assert torch.allclose(logits(load(job.out)), logits(whole), atol=2e-5)
    for name in ("chat_template.jinja", "generation_config.json", "tokenizer.json", "LICENSE"):
        assert (job.out / name).read_bytes() == (job.checkpoint / name).read_bytes(), name


def test_the_measures_are_those_of_the_papers(job_of: Callable[[str], Job]) -> None:
    job = job_of("llama")
    ids = [[5, 6, 7, 8, 9], [11, 12, 13]]
    found = decoder.measure(job.checkpoint, ids, removed=2, on_progress=lambda fraction: None)
    states: list[list[torch.Tensor]] = [[] for _ in range(5)]
    squares = [0.0] * 4
    model = load(job.checkpoint)
    body = model.get_decoder()

    def enter(number: int) -> Any:
        return lambda module, given: states[number].append(given[0][0, 1:])

    def neurons(number: int) -> Any:
        def add(module: torch.nn.Linear, given: Any) -> None:
            squares[number] += (given[0][0, 1:] ** 2).sum(0)

        return add

    for number, layer in enumerate(body.layers):
        layer.register_forward_pre_hook(enter(number))
        layer.mlp.down_proj.register_forward_pre_hook(neurons(number))
    body.norm.register_forward_pre_hook(enter(4))
    with torch.inference_mode():
        for one in ids:
            model(input_ids=torch.tensor([one]), use_cache=False)
    whole = [torch.cat(one).double() for one in states]
    angles = [
        (torch.cosine_similarity(whole[at], whole[at + 2], dim=-1).arccos() / np.pi).mean()
        for at in range(3)
    ]
    assert np.allclose(found.distances, angles, atol=1e-4)
    for number, layer in enumerate(body.layers):
        columns = (layer.mlp.down_proj.weight.double() ** 2).sum(0)
        wanted = (squares[number] / 6 * columns).detach().numpy()  # type: ignore[attr-defined]
        assert np.allclose(found.importance[number], wanted, rtol=1e-3)


def test_the_block_that_changes_least_goes(job_of: Callable[[str], Job], tmp_path: Path) -> None:
    """Two layers that hardly add anything stand together."""
    job = job_of("llama")
    model = load(job.checkpoint)
    with torch.no_grad():
        for number in (1, 2):
            model.get_decoder().layers[number].self_attn.o_proj.weight *= 1e-3
            model.get_decoder().layers[number].mlp.down_proj.weight *= 1e-3
    quiet = Path(shutil.copytree(job.checkpoint, tmp_path / "quiet"))
    model.save_pretrained(quiet)
    job = dataclasses.replace(job, checkpoint=quiet, description=describe(quiet))
    record = run_prune(PruneSettings(layers=2, tokens=256), job)
    assert record["after"]["kept_layers"] == [0, 3]
    assert int(np.argmin(record["distances"])) == 1
    assert len(record["distances"]) == 3
    assert record["proof"]["kld"] < 0.01
    assert set(record["proof"]["by_language"]) == set(tiny_chat.LANGUAGES)


def test_weights_that_are_no_numbers_are_told(job_of: Callable[[str], Job], tmp_path: Path) -> None:
    job = job_of("llama")
    model = load(job.checkpoint)
    with torch.no_grad():
        model.get_decoder().layers[1].mlp.up_proj.weight[3, 3] = torch.nan
    damaged = Path(shutil.copytree(job.checkpoint, tmp_path / "damaged"))
    model.save_pretrained(damaged)
    job = dataclasses.replace(job, checkpoint=damaged)
    with pytest.raises(StepError, match="values that are no numbers; its weights are damaged"):
        run_prune(PruneSettings(layers=3, tokens=64), job)


def test_windows_of_layers_stay_with_their_layers(
    job_of: Callable[[str], Job], tmp_path: Path
) -> None:
    """Gemma's layers see everything or a window by their place; which, is then said for each, and
    llama.cpp reads it."""
    job = job_of("gemma2")
    run_prune(PruneSettings(layers=[1, 2, 3], ffn=0.25, tokens=256), job)
    config = json.loads((job.out / "config.json").read_text())
    assert config["layer_types"] == ["full_attention", "sliding_attention", "full_attention"]
    convert.convert(job.out, tmp_path / "model.gguf")
    texts = tiny_llama.texts(("en", "sw"), of_each=1)
    proof = parity.prove(job.out, tmp_path / "model.gguf", texts=texts, threads=1)
    assert proof["tokens"] > 3 * 16  # beyond the window


def test_weights_are_copied_as_they_are_stored(made_chat_project: Path, tmp_path: Path) -> None:
    folder = tiny_llama.make_checkpoint(tmp_path / "half", layers=3, dtype=torch.bfloat16)
    (tmp_path / "out").mkdir()
    job = make_job(made_chat_project, folder, tmp_path / "out")
    run_prune(PruneSettings(layers=[0, 2], tokens=256), job)
    before, after = (
        AutoModelForCausalLM.from_pretrained(one, dtype="auto").state_dict()
        for one in (folder, job.out)
    )
    assert {one.dtype for one in after.values()} == {torch.bfloat16}
    for name, weight in after.items():
        assert torch.equal(weight, before[name.replace("layers.1.", "layers.2.")]), name


@given(st.data())
def test_rows_and_columns_are_copied_to_the_bit(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from([torch.float32, torch.float16, torch.bfloat16]))
    rows, columns = data.draw(st.integers(1, 5)), data.draw(st.integers(1, 5))
    kept = [
        data.draw(st.none() | st.lists(st.integers(0, size - 1), min_size=1, unique=True))
        for size in (rows, columns)
    ]
    whole = torch.randn(rows, columns).to(kind)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.safetensors"
        save_file({"one": whole, "norm": whole[0].clone()}, path)
        found = tensors.read(path.parent)
        index = [None if one is None else np.array(one) for one in kept]
        parts = {"other": Part(found["one"], *index), "norm": Part(found["norm"])}
        narrowing.write(Path(folder) / "out.safetensors", parts)
        after = load_file(Path(folder) / "out.safetensors")
    wanted = whole if kept[0] is None else whole[kept[0]]
    wanted = wanted if kept[1] is None else wanted[:, kept[1]]
    assert after["other"].dtype == kind
    assert torch.equal(after["other"], wanted)
    assert torch.equal(after["norm"], whole[0])


def test_the_same_seed_gives_the_same_bytes(job_of: Callable[[str], Job]) -> None:
    first, second = job_of("qwen2"), job_of("qwen2")
    for job in (first, second):
        run_prune(PruneSettings(layers=3, ffn=0.25, tokens=256), job)
    for name in ("model.safetensors", "config.json"):
        assert (first.out / name).read_bytes() == (second.out / name).read_bytes()


def test_answers_are_the_assistants_turns(deep: Callable[[str], Path]) -> None:
    turns = [("user", "What?"), ("assistant", "It is day."), ("user", "So?"), ("assistant", "Yes.")]
    messages = tuple({"role": role, "content": content} for role, content in turns)
    ends = {
        "llama": "<|im_end|>\n", "llama3": "<|eot_id|>", "gemma2": "<end_of_turn>\n",
        "mistral": "</s>", "phi3": "<|end|>\n",
    }  # fmt: skip
    for architecture, end in ends.items():
        found = describe(deep(architecture))
        reader = windows.reader(
            deep(architecture), model_type=found.model_type, rows=found.vocabulary
        )
        [window] = reader.windows(Row("", messages=messages), size=500, answers=True)
        told = [number for number, own in zip(window.ids, window.answers, strict=True) if own]
        text = reader.tokenizer.decode(told, skip_special_tokens=False)
        if architecture in ("llama", "llama3"):
            assert text == f"It is day.{end}Yes.{end}"
        assert text.count(end.strip()) == 2, architecture
        assert "What" not in text


def test_a_window_begins_as_its_row_and_no_token_is_lost(deep: Callable[[str], Path]) -> None:
    found = describe(deep("gemma2"))
    reader = windows.reader(deep("gemma2"), model_type="gemma2", rows=found.vocabulary)
    text = " ".join(tiny_llama.texts(["en"], of_each=2))
    ids = reader.tokenizer.encode(text).ids
    parts = list(reader.windows(Row(text), size=32))
    assert {part.ids[0] for part in parts} == {reader.bos_id}
    assert max(len(part.ids) for part in parts) == 32
    assert [number for part in parts for number in part.ids[1:]][: len(ids) - 2] == ids[1:-1]


def test_a_conversation_without_a_template_is_refused(
    deep: Callable[[str], Path], tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(deep("llama"), tmp_path / "bare"))
    (folder / "chat_template.jinja").unlink()
    reader = windows.reader(folder, model_type="llama", rows=1003)
    with pytest.raises(StepError, match=r"chat_template\.jinja"):
        list(reader.windows(Row("", messages=({"role": "user", "content": "a"},)), size=64))


BAD_SETTINGS: dict[str, tuple[str, str]] = {
    "nothing": ("{}", "'layers' is missing: say what to remove by layers or ffn"),
    "heads": ("{heads: 0.5}", "'heads' is for classifiers: heads here share keys and values"),
    "latency": ("{latency: 2.0}", "'latency' is for classifiers"),
    "no layers": ("{layers: 0}", "'layers' must be 1 or more"),
    "disorder": ("{layers: [1, 0]}", "'layers' must be numbers of layers from 0"),
    "everything": ("{ffn: 1.0}", "'ffn' cannot be 1.0"),
    "a layer that is not there": ("{layers: [0, 7]}", "the model has the layers 0 to 1"),
    "nothing by rounding": ("{ffn: 0.05}", "ask for ffn: 0.14 or more"),
}


@pytest.mark.parametrize(("settings", "sentence"), BAD_SETTINGS.values(), ids=BAD_SETTINGS.keys())
def test_what_cannot_work_is_refused_in_a_sentence(
    chat_project: Path, settings: str, sentence: str
) -> None:
    changes = [f"steps=[{{prune: {settings}}}]"]
    with pytest.raises(EdgekitError) as caught:
        plan.make(recipe.read(chat_project / "recipe.yaml", changes=changes))
    assert sentence in str(caught.value)
    assert "\n" not in str(caught.value)


def test_no_texts_to_measure_on(chat_project: Path) -> None:
    changes = ["steps=[{prune: {layers: 1}}]", "data.train=null"]
    with pytest.raises(RecipeError, match=r"add data\.train or data\.unlabeled"):
        plan.make(recipe.read(chat_project / "recipe.yaml", changes=changes))


@pytest.mark.parametrize(
    ("kind", "layers", "before", "sentence"),
    [
        ("smollm3", 4, 8, None),
        ("smollm3", [0, 1, 2, 7], 8, None),
        ("smollm3", [0, 1], 8, None),
        ("smollm3", 6, 8, "which every 4th does not; take layers out by fours"),
        ("smollm3", [1, 2], 8, "take layers out by fours"),
        ("exaone4", 4, 8, None),
        ("exaone4", 48, 64, "sliding windows to exaone4 of 64 layers alone"),
        ("exaone4", 64, 80, "64 layers alone"),
    ],
)
def test_layers_go_where_llama_cpp_knows_what_is_left(
    kind: str, layers: int | list[int], before: int, sentence: str | None, deep: Any
) -> None:
    found = dataclasses.replace(describe(deep("llama")), model_type=kind, layers=before)
    settings = PruneSettings(layers=layers)
    if sentence is None:
        prune_chat._check_kinds(settings, found, "steps: prune")
    else:
        with pytest.raises(RecipeError, match=sentence):
            prune_chat._check_kinds(settings, found, "steps: prune")


@pytest.mark.parametrize(
    ("neurons", "share", "kept"),
    [
        (1536, 0.25, 1280), (1536, 0.5, 768), (4864, 0.25, 3584), (512, 0.9, 256), (96, 0.5, 64),
        (128, 0.99, 32), (14336, 0.25, 10752),
    ],
)  # fmt: skip
def test_widths_are_rounded_to_what_quantization_wants(
    neurons: int, share: float, kept: int
) -> None:
    assert prune_chat.width(PruneSettings(ffn=share), neurons) == kept


@pytest.mark.parametrize("architecture", ["llama", "llama3", "phi3"])
def test_the_estimate_is_what_is_left(job_of: Callable[[str], Job], architecture: str) -> None:
    job = job_of(architecture)
    settings = PruneSettings(layers=3, ffn=0.5, tokens=256)
    run_prune(settings, job)
    found, estimate = describe(job.out), prune_chat.smaller(settings, job.description)
    assert (estimate.layers, estimate.ffn) == (found.layers, found.ffn)
    # A norm and perhaps a head stand behind the layers.
    assert estimate.parameters == pytest.approx(found.parameters, rel=0.002)
    assert estimate.weights_bytes == pytest.approx(found.weights_bytes, rel=0.02)
