"""The whole step on tiny real checkpoints of several families and kinds of tokenizers."""

from __future__ import annotations

import functools
import itertools
import json
import operator
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedTokenizerFast

from edgekit.build import plan
from edgekit.checkpoint.describe import describe
from edgekit.errors import RecipeError, StepError
from edgekit.job.job import Job
from edgekit.recipe import recipe
from edgekit.steps.trim_vocab import run as trimming
from edgekit.steps.trim_vocab import sides
from edgekit.steps.trim_vocab.run import run as run_trim_vocab
from edgekit.steps.trim_vocab.vocabulary import choice, configs, languages, pieces, surgery
from edgekit.steps.trim_vocab.vocabulary.encoder import EncoderKind
from edgekit.steps.trim_vocab.vocabulary.settings import TrimVocabSettings
from edgekit.system import machine
from edgekit.training import predict
from tests.tiny import encoder as tiny
from tests.tiny import odd
from tests.tiny.job import make_job

SPECIALS = ["<s>", "<pad>", "</s>", "<unk>", "<mask>"]
LOOSE: dict[str, Any] = {"most_tokens_rise": 9.0, "most_unknown_rise": 1.0}


def unigram() -> Tokenizer:
    return Tokenizer.from_file(str(tiny.TOKENIZER))


def wordpiece() -> Tokenizer:
    tokenizer = Tokenizer(models.WordPiece(unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    tokenizer.train_from_iterator(
        tiny.texts(),
        trainers.WordPieceTrainer(vocab_size=400, special_tokens=SPECIALS, show_progress=False),
    )
    tokenizer.post_processor = processors.BertProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def byte_level() -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(
        tiny.texts(),
        trainers.BpeTrainer(
            vocab_size=560,
            special_tokens=SPECIALS,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer.post_processor = processors.RobertaProcessing(("</s>", 2), ("<s>", 0))
    return tokenizer


def make_checkpoint(folder: Path, model_type: str, tokenizer: Tokenizer) -> Path:
    folder.mkdir()
    tokenizer.add_tokens(["[extra]"])  # beyond the model's own table, as <mask> is in XLM-R
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        bos_token="<s>", eos_token="</s>", pad_token="<pad>", unk_token="<unk>",
        mask_token="<mask>", model_max_length=64,
    ).save_pretrained(folder)  # fmt: skip
    as_of_4(folder, tokenizer)
    own = {
        "albert": {"embedding_size": 32},
        "deberta-v2": {"pos_att_type": ["c2p", "p2c"], "relative_attention": True},
        "distilbert": {"dim": 64, "n_layers": 2, "n_heads": 4, "hidden_dim": 128},
        "eurobert": {"mask_token_id": 4},
        "modernbert": {"global_attn_every_n_layers": 2, "local_attention": 16},
    }
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        model_type,
        **{
            "hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4,
            "intermediate_size": 128, "max_position_embeddings": 80, "pad_token_id": 1,
            "bos_token_id": 0, "eos_token_id": 2, "cls_token_id": 0, "sep_token_id": 2,
            **own.get(model_type, {}),
        },
        vocab_size=tokenizer.get_vocab_size() + 7,
        num_labels=3,
    )  # fmt: skip
    AutoModelForSequenceClassification.from_config(config).save_pretrained(folder)
    return folder


def as_of_4(folder: Path, tokenizer: Tokenizer) -> None:
    """tokenizer_config.json as transformers 4 saved it, with the numbers of the added tokens."""
    added = tokenizer.get_added_tokens_decoder()
    numbers = {number: {"content": one.content, "special": True} for number, one in added.items()}
    odd.edit(
        folder / "tokenizer_config.json",
        backend=odd.MISSING,
        tokenizer_class="PreTrainedTokenizerFast",
        added_tokens_decoder=numbers,
    )


@functools.cache
def first_words(language: str) -> list[tuple[str, float]]:
    return list(itertools.islice(listed(language), 3000))


listed = languages._listed


@pytest.fixture(autouse=True)
def _short_lists(monkeypatch: pytest.MonkeyPatch) -> None:
    """Real word lists, read once and cut: reading a whole one takes longer than a test."""
    monkeypatch.setattr(languages, "_listed", first_words)


@pytest.fixture
def job_of(project: Path, tmp_path: Path) -> Callable[[Path], Job]:
    def made(checkpoint: Path) -> Job:
        out = tmp_path / "trimmed"
        out.mkdir()
        return make_job(project, checkpoint, out)

    return made


@pytest.fixture
def job(job_of: Callable[[Path], Job], tmp_path: Path) -> Job:
    return job_of(make_checkpoint(tmp_path / "checkpoint", "bert", unigram()))


def smallest(job: Job) -> int:
    """The size that the step names when asked for one piece."""
    with pytest.raises(StepError, match="pieces are never removed") as caught:
        run_trim_vocab(TrimVocabSettings(size=1, **LOOSE), job)
    return int(str(caught.value).split("set size to ")[1].split(" ")[0].replace(",", ""))


FAMILIES = [
    ("bert", wordpiece),
    ("distilbert", wordpiece),
    ("albert", unigram),
    ("roberta", byte_level),
    ("xlm-roberta", unigram),
    ("deberta-v2", unigram),
    ("modernbert", byte_level),
    ("eurobert", byte_level),
    ("gte", unigram),
]


@pytest.mark.parametrize(("model_type", "make"), FAMILIES, ids=[name for name, _ in FAMILIES])
def test_answers_stay_where_tokens_were_kept(
    model_type: str,
    make: Callable[[], Tokenizer],
    job_of: Callable[[Path], Job],
    tmp_path: Path,
) -> None:
    job = job_of(make_checkpoint(tmp_path / "checkpoint", model_type, make()))
    size = (smallest(job) + job.description.vocabulary - 7) // 2
    done = run_trim_vocab(TrimVocabSettings(size=size, **LOOSE), job)
    left = describe(job.out)
    assert left.vocabulary <= size < job.description.vocabulary
    assert left.parameters < job.description.parameters
    assert sum(found["bit_equal"] for found in done["proof"]["by_language"].values()) > 0
    old, new = (pieces.read(folder / "tokenizer.json") for folder in (job.checkpoint, job.out))
    texts = [
        text for text in tiny.texts() if set(old.tokenizer.encode(text).tokens) <= set(new.ids)
    ]
    assert texts
    wanted = predict.logits(job.checkpoint, texts, max_tokens=64)
    assert np.abs(predict.logits(job.out, texts, max_tokens=64) - wanted).max() < 1e-5
    config = json.loads((job.out / "config.json").read_text())
    assert config["pad_token_id"] == new.ids["<pad>"] == 1
    assert config["vocab_size"] == left.vocabulary
    tokens = json.loads((job.out / "tokenizer_config.json").read_text())["added_tokens_decoder"]
    assert {new.tokens[int(number)] for number in tokens} == {*SPECIALS, "[extra]"}
    assert {entry["content"] for entry in tokens.values()} == {*SPECIALS, "[extra]"}


def test_every_row_is_that_of_its_piece(job: Job) -> None:
    run_trim_vocab(TrimVocabSettings(size=smallest(job) + 10, **LOOSE), job)
    name = "bert.embeddings.word_embeddings.weight"
    old, new = (load_file(folder / "model.safetensors") for folder in (job.checkpoint, job.out))
    ids, left = (pieces.read(folder / "tokenizer.json").ids for folder in (job.checkpoint, job.out))
    assert set(left) < set(ids)
    for piece, number in left.items():
        assert torch.equal(new[name][number], old[name][ids[piece]])
    assert all(torch.equal(new[one], old[one]) for one in old if one != name)


def test_the_rest_stays_in_shards(job: Job) -> None:
    from transformers import BertForSequenceClassification

    model = BertForSequenceClassification.from_pretrained(job.checkpoint)
    (job.checkpoint / "model.safetensors").unlink()
    model.save_pretrained(job.checkpoint, max_shard_size="100KB")
    assert len(list(job.checkpoint.glob("*.safetensors"))) > 1
    run_trim_vocab(TrimVocabSettings(size=smallest(job) + 10, **LOOSE), job)
    assert predict.logits(job.out, ["lamp on"], max_tokens=64).shape == (1, 3)


def test_what_nothing_needs_goes_and_nothing_else(job: Job) -> None:
    """Coverage of everything keeps all that the recipe's languages use."""
    done = run_trim_vocab(TrimVocabSettings(coverage=1.0), job)
    old, new = (pieces.read(folder / "tokenizer.json") for folder in (job.checkpoint, job.out))
    for row in job.dataset.train:
        assert new.tokenizer.encode(row.text).tokens == old.tokenizer.encode(row.text).tokens
    assert done["after"]["most_tokens_rise"] == 0


def test_that_nothing_changed_is_said(job: Job) -> None:
    everything = sorted(pieces.read(job.checkpoint / "tokenizer.json").ids)
    config = job.checkpoint / "config.json"
    rows = json.loads(config.read_text())["vocab_size"]
    spare = {f"spare_{row}_token_id": row for row in range(len(everything), rows)}
    config.write_text(json.dumps({**json.loads(config.read_text()), **spare}))
    done = run_trim_vocab(TrimVocabSettings(keep=everything), job)
    assert done["after"]["pieces_removed"] == 0
    assert "nothing changed" in done["notes"][0]
    assert describe(job.out) == replace(
        job.description, weights_bytes=describe(job.out).weights_bytes
    )


def test_what_is_asked_for_stays(job: Job) -> None:
    size = smallest(job)
    run_trim_vocab(TrimVocabSettings(size=size + 10, keep=["kitchen", "▁chante"], **LOOSE), job)
    new = pieces.read(job.out / "tokenizer.json")
    old = pieces.read(job.checkpoint / "tokenizer.json")
    for text in ("kitchen", " kitchen"):
        assert new.tokenizer.encode(text).tokens == old.tokenizer.encode(text).tokens


def test_the_proof_says_what_it_must(job: Job) -> None:
    done = run_trim_vocab(TrimVocabSettings(size=smallest(job) + 20, **LOOSE), job)
    assert set(done["proof"]["by_language"]) == {"en", "fr", "ar"}
    found = done["proof"]["by_language"]["en"]
    assert found["texts"] > 80  # the Declaration and the held-out rows
    assert found["frequencies"] == ["the recipe's texts", "wordfreq"]
    assert found["tokens_per_word"]["before"] <= found["tokens_per_word"]["after"]
    assert 0 <= found["changed"] <= 1
    assert found["label_flips"]["flips"] <= found["label_flips"]["rows"]


@pytest.mark.parametrize("most_changed", [0.0, 0.2, 1.0])
def test_more_stay_where_held_out_texts_would_be_read_otherwise(
    job: Job, most_changed: float
) -> None:
    size = smallest(job)
    done = run_trim_vocab(TrimVocabSettings(size=size, most_changed=most_changed, **LOOSE), job)
    old, new = (pieces.read(folder / "tokenizer.json") for folder in (job.checkpoint, job.out))
    changed: dict[str, list[bool]] = {}
    for row in job.dataset.validation:
        if row.language in job.recipe.languages:
            both = (one.tokenizer.encode(row.text).tokens for one in (old, new))
            changed.setdefault(row.language, []).append(operator.ne(*both))
    assert max(sum(found) / len(found) for found in changed.values()) <= most_changed
    raised = [note for note in done["notes"] if f"with {size:,} pieces" in note]
    assert len(raised) == (most_changed < 1)
    assert (len(new.ids) > size) == (most_changed < 1)


def test_too_many_tokens_are_refused_with_the_numbers(job: Job) -> None:
    settings = TrimVocabSettings(size=smallest(job), most_unknown_rise=1.0)
    with pytest.raises(StepError, match=r"allows \(2\.0%\): .*(en|fr|ar) \+\d+\.\d%.*raise size"):
        run_trim_vocab(settings, job)


def test_unknown_letters_are_refused_with_the_numbers(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        trimming.required, "required", lambda vocabulary, names, texts: vocabulary.needed()
    )
    with pytest.raises(StepError, match=r"unknown than most_unknown_rise allows \(0\.05%\): "):
        run_trim_vocab(TrimVocabSettings(size=60, most_tokens_rise=9.0), job)


def test_a_trimmed_tokenizer_that_is_not_exact_is_refused(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = surgery.trimmed

    def spoiled(vocabulary: pieces.Vocabulary, old_ids: list[int]) -> dict[str, Any]:
        document = whole(vocabulary, old_ids)
        table = [[piece, -1.0] for piece, _ in document["model"]["vocab"]]
        return {**document, "model": {**document["model"], "vocab": table}}

    monkeypatch.setattr(trimming.surgery, "trimmed", spoiled)
    with pytest.raises(StepError, match="were all kept, and the trimmed tokenizer gives others"):
        run_trim_vocab(TrimVocabSettings(**LOOSE), job)


def test_a_row_out_of_place_is_refused(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = trimming.tables.trim

    def spoiled(source: Path, out: Path, rows: Any, **settings: Any) -> None:
        whole(source, out, [*rows[:10], *reversed(rows[10:])], **settings)

    monkeypatch.setattr(trimming.tables, "trim", spoiled)
    with pytest.raises(StepError, match="has the same tokens as before and other answers"):
        run_trim_vocab(TrimVocabSettings(**LOOSE), job)


def test_numbers_that_do_not_meet_are_refused(job: Job, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(surgery, "_own_ids", lambda vocabulary: [vocabulary.ids["[extra]"]])
    with pytest.raises(StepError, match="have another number than their row"):
        run_trim_vocab(TrimVocabSettings(**LOOSE), job)


def test_what_judges_never_chooses(job: Job) -> None:
    same = job.dataset.train[0]
    dataset = replace(job.dataset, validation=(same, *job.dataset.validation))
    shared = replace(job, dataset=dataset)
    own = trimming._own_texts(TrimVocabSettings(), shared, EncoderKind(), sides.of(shared)[0])
    assert same.text not in own[str(same.language)]
    judging = trimming.judging_texts(
        ["en"], dataset.validation, {dataset.validation[1].text}, EncoderKind()
    )
    texts = [text.text for found in judging.values() for text in found]
    assert dataset.validation[1].text not in texts
    assert same.text in texts


def test_a_language_of_an_unknown_script_is_named(job: Job) -> None:
    strange = replace(job, recipe=job.recipe.model_copy(update={"languages": ["en", "ml"]}))
    with pytest.raises(StepError, match="no letter of the script of 'ml'"):
        run_trim_vocab(TrimVocabSettings(**LOOSE), strange)


def test_a_tokenizer_of_another_model_is_refused(job: Job) -> None:
    other = replace(job, description=replace(job.description, vocabulary=100))
    with pytest.raises(StepError, match="the embedding has 100 rows"):
        run_trim_vocab(TrimVocabSettings(), other)


def test_logits_that_do_not_fit_in_memory_are_said(
    job: Job, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(machine, "available_memory_bytes", lambda: 1000)
    done = run_trim_vocab(TrimVocabSettings(**LOOSE), job)
    assert "too little memory" in done["notes"][0]


def test_the_plan_knows_what_it_leaves(project: Path) -> None:
    path = project / "recipe.yaml"
    text = path.read_text().replace("steps:\n", "steps:\n  - trim_vocab: {size: 200, texts: [t]}\n")
    path.write_text(text)
    with pytest.raises(RecipeError, match="trim_vocab names t, which does not exist"):
        plan.make(recipe.read(path))
    (project / "t").write_text("a further text\n")
    made = plan.make(recipe.read(path))
    assert [step.name for step in made.steps][1] == "trim_vocab"


def test_words_are_as_they_stand_in_texts() -> None:
    german = languages.words("de")
    assert german[" Haus"] > 0
    assert german[" Und"] < german[" und"]
    assert 0.5 < sum(german.values()) < 1.01
    assert "中国" in languages.words("zh-CN")
    assert "中國" in languages.words("zh-TW")
    assert " које" in languages.words("sr")
    assert languages.words("ml") == {}


def test_languages_that_lost_more_weigh_more() -> None:
    weights = choice._weights({"en": 1.01, "fr": 1.01, "ml": 1.4})
    assert weights["ml"] > weights["en"]


def test_ids_in_configs(tmp_path: Path) -> None:
    old = {"pad_token_id": 1, "suppress_tokens": [5, 6], "eos_token_id": [7], "hidden_size": 7}
    (tmp_path / "config.json").write_text(json.dumps({**old, "bos_token_id": 99}))
    assert configs.ids(tmp_path) == {1, 5, 6, 7, 99}
    (tmp_path / "out").mkdir()
    configs.write(tmp_path, tmp_path / "out", {1: 1, 5: 2, 6: 3, 7: 4}, size=5)
    assert json.loads((tmp_path / "out" / "config.json").read_text()) == {
        "pad_token_id": 1, "suppress_tokens": [2, 3], "eos_token_id": [4], "hidden_size": 7,
        "bos_token_id": None, "vocab_size": 5,
    }  # fmt: skip
