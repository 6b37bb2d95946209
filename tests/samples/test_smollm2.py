"""The sample smollm2: a GGUF's model off its grid and equal to it, texts that share no document."""

from __future__ import annotations

import itertools
import json
import tarfile
import zipfile
from io import BytesIO
from pathlib import Path

import gguf
import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from transformers import AutoModelForCausalLM

from edgekit import samples
from edgekit.data.rows import read_documents
from edgekit.errors import SampleError
from edgekit.export.gguf import convert, documents, quantizing
from edgekit.recipe import recipe
from edgekit.samples import from_gguf, smollm2, smollm2_model, smollm2_texts
from edgekit.samples.rescaling import Shape, rescale
from edgekit.system import machine
from tests.tiny import llama as tiny_llama

SHAPE = Shape(layers=2, heads=4, kv_heads=2)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A tiny Llama as the package holds the real one: Q4_1, the embedding Q8_0."""
    folder = tmp_path_factory.mktemp("smollm2")
    convert.convert(tiny_llama.make_checkpoint(folder / "original"), folder / "half.gguf")
    source = folder / "q4_1.gguf"
    quantizing.quantize(folder / "half.gguf", source, mix="q4_1", embeddings="q8_0", threads=1)
    return source


@pytest.fixture(scope="module")
def made(source: Path) -> Path:
    folder = source.parent / "made"
    folder.mkdir()
    smollm2_model.write_checkpoint(source, folder)
    return folder


def grid_error(values: np.ndarray) -> float:
    """The share of their square that the values lose in Q4_1."""
    packed = gguf.quantize(values.astype(np.float32), gguf.GGMLQuantizationType.Q4_1)
    restored = gguf.dequantize(packed, gguf.GGMLQuantizationType.Q4_1)
    return float(np.square(restored - values).sum() / np.square(values).sum())


def test_every_matrix_leaves_the_grid_and_the_embedding_stays(source: Path, made: Path) -> None:
    original = from_gguf.read_weights(
        gguf.GGUFReader(source), json.loads((made / "config.json").read_text("utf-8"))
    )
    weights = load_file(made / "model.safetensors")
    assert set(weights) == set(original)
    for name, values in weights.items():
        if name == "model.embed_tokens.weight":
            np.testing.assert_allclose(values, original[name], atol=1e-3)
        elif values.ndim == 2:
            assert grid_error(original[name]) < 1e-4
            assert grid_error(values) > 2e-3, name


def test_the_folder_answers_like_the_file(source: Path, made: Path) -> None:
    assert from_gguf.prove_weights(source, made, origin="tests") <= from_gguf.MOST_KLD


def test_rescaling_changes_no_answer(made: Path) -> None:
    """In float32, where rounding does not hide a factor that is divided out at a wrong place."""
    model = AutoModelForCausalLM.from_pretrained(made, dtype=torch.float32).eval()
    ids = torch.tensor([list(range(5, 60))])
    weights = {name: one.detach().numpy().copy() for name, one in model.named_parameters()}
    with torch.inference_mode():
        wanted = model(ids).logits
        model.load_state_dict(
            {name: torch.from_numpy(one) for name, one in rescale(weights, SHAPE, seed=1).items()},
            strict=False,
        )
        found = model(ids).logits
    torch.testing.assert_close(found, wanted, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("changed", ["input_layernorm", "v_proj", "down_proj"])
def test_other_weights_are_not_taken_for_equal(
    source: Path, made: Path, tmp_path: Path, changed: str
) -> None:
    for path in made.iterdir():
        (tmp_path / path.name).write_bytes(path.read_bytes())
    weights = load_file(tmp_path / "model.safetensors")
    name = next(name for name in weights if changed in name)
    weights[name][:4] *= np.float16(1.2)
    save_file(weights, tmp_path / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(SampleError, match="answer otherwise than they did"):
        from_gguf.prove_weights(source, tmp_path, origin="tests")


def test_the_tokenizer_is_proven_in_many_scripts(source: Path, made: Path) -> None:
    assert from_gguf.prove_tokenizer(source, made, origin="tests") > 1000


def test_another_tokenizer_is_refused(source: Path, made: Path, tmp_path: Path) -> None:
    document = json.loads((made / "tokenizer.json").read_text("utf-8"))
    document["model"]["merges"] = document["model"]["merges"][:-20]
    (tmp_path / "tokenizer.json").write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(SampleError, match=r"splits '.+' otherwise than llama\.cpp does"):
        from_gguf.prove_tokenizer(source, tmp_path, origin="tests")


def test_a_file_with_another_kind_of_tokenizer_is_refused() -> None:
    facts = {"tokenizer.ggml.model": "llama", "tokenizer.ggml.pre": "default"}
    with pytest.raises(SampleError, match="holds another tokenizer than it did"):
        smollm2_model._tokenizer(facts)


@pytest.fixture(scope="module")
def packages(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A wheel of conversations and a tarball of speeches, as the real ones are built."""
    folder = tmp_path_factory.mktemp("packages")
    wheel, tarball = folder / "texts.whl", folder / "speeches.tgz"
    pairs = [[f"question {number % 90}", f"answer {number}"] for number in range(200)]
    document = {"categories": ["test"], "conversations": [*pairs, pairs[0], ["alone"]]}
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("chatterbot_corpus/data/english/test.yml", json.dumps(document))
        archive.writestr("chatterbot_corpus/data/french/test.yml", "conversations: [[a, b]]")
    speech = " ".join(f"This is sentence {number} of it." for number in range(300))
    with tarfile.open(tarball, "w:gz") as archive:
        texts = {f"data/{1930 + number}_a_b_d.txt": f"{number}. {speech}" for number in range(60)}
        for name, text in {**texts, "LICENSE": "free for all"}.items():
            info = tarfile.TarInfo(f"package/{name}")
            info.size = len(text)
            archive.addfile(info, BytesIO(text.encode()))
    return wheel, tarball


def test_no_question_and_no_speech_is_in_two_sets(packages: tuple[Path, Path]) -> None:
    sets, licence = smollm2_texts.make_sets(*packages, seed=7)
    assert licence == "free for all"
    assert set(sets) == set(itertools.product(("train", "validation", "test"), smollm2_texts.KINDS))
    questions = {
        name: {turn for one in sets[name, "conversations"] for turn in one.turns[::2]}
        for name in ("train", "validation", "test")
    }
    speeches = {
        name: {one.group for one in sets[name, "speeches"]}
        for name in ("train", "validation", "test")
    }
    for found in (questions, speeches):
        assert all(found.values())
        for one, other in itertools.combinations(found.values(), 2):
            assert not one & other


def test_only_whole_english_conversations_and_later_speeches_are_read(
    packages: tuple[Path, Path],
) -> None:
    conversations = smollm2_texts.read_conversations(packages[0])
    assert len(conversations) == 200
    speeches, _ = smollm2_texts.read_speeches(packages[1])
    assert min(speeches) == "1934_a_b_d"


def test_roles_take_turns_and_passages_are_whole_sentences(
    packages: tuple[Path, Path], tmp_path: Path
) -> None:
    sets, _ = smollm2_texts.make_sets(*packages, seed=7)
    smollm2_texts.write(tmp_path, sets)
    for line in (tmp_path / "train-conversations.jsonl").read_text("utf-8").splitlines():
        roles = [turn["role"] for turn in json.loads(line)["messages"]]
        assert roles == ["user", "assistant"] * (len(roles) // 2)
        assert len(roles) >= smollm2_texts.TURNS
    for line in (tmp_path / "test-speeches.jsonl").read_text("utf-8").splitlines():
        text = json.loads(line)["text"]
        assert text.endswith(".")
        assert len(text) >= smollm2_texts.PASSAGE_CHARACTERS


def test_the_recipes_can_be_read(tmp_path: Path) -> None:
    for name, (comment, more) in smollm2.RECIPES.items():
        smollm2._write_recipe(tmp_path / name, comment, more)
        bound = recipe.read(tmp_path / name)
        assert bound.recipe.task == "chat"
        assert len(bound.recipe.data.train or []) == 2
    bound = recipe.read(tmp_path / "budget.yaml")
    assert str(bound.outputs[0].settings.quantize) == "105.454mb"


@pytest.mark.slow
def test_the_real_sample_has_the_size_that_its_budget_says(tmp_path: Path) -> None:
    """And is whole: model, texts of enough tokens to judge on, and both recipes."""
    folder = samples.make("smollm2", tmp_path / "smollm2")
    convert.convert(folder / "model", tmp_path / "half.gguf")
    record = quantizing.quantize(
        tmp_path / "half.gguf", tmp_path / "stock.gguf", mix="q4_k_m", threads=machine.cores()
    )
    assert record["size_bytes"] == smollm2.STOCK_BYTES
    types = {one.name: one.type for one in quantizing.read_tensors(tmp_path / "stock.gguf")}
    assert types["token_embd.weight"] == smollm2.EMBEDDINGS
    rows = [
        row
        for kind in smollm2_texts.KINDS
        for row in read_documents(folder / "data" / f"test-{kind}.jsonl")
    ]
    assert documents.read(tmp_path / "half.gguf", rows, window=512).count >= 20_000
