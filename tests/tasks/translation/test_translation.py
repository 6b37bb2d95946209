"""A published Marian from recipe to artifact to answer, token for token as transformers has it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from transformers import (
    AutoConfig,
    AutoTokenizer,
    GenerationConfig,
    M2M100ForConditionalGeneration,
    M2M100Tokenizer,
    MarianMTModel,
    NllbTokenizer,
)
from transformers import MarianTokenizer as Tokenizer

import edgekit
from edgekit.build import plan
from edgekit.build.build import compress
from edgekit.cli import DONE, ERROR, main
from edgekit.recipe import recipe
from edgekit.runtime.seq2seq.writer import Seq2SeqWriter
from tests.serving.running import running
from tests.tiny import translator as tiny


def library(marian: Path) -> tuple[Any, Any]:
    model: Any = MarianMTModel.from_pretrained(marian).eval()
    return Tokenizer.from_pretrained(marian), model


def wanted(tokenizer: Any, model: Any, text: str, to: str) -> tuple[list[int], str]:
    inputs = tokenizer(f"{tiny.CODES[to]} {text}", return_tensors="pt")
    with torch.inference_mode():
        ids = model.generate(**inputs, do_sample=False)[0].tolist()
    return ids[1:], tokenizer.decode(ids, skip_special_tokens=True)


def test_it_translates_token_for_token_as_transformers_does(
    translator: Path, marian: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tokenizer, model = library(marian)
    written: list[list[int]] = []
    pieces = Seq2SeqWriter.pieces

    def seen(self: Seq2SeqWriter, *given: Any, **more: Any) -> list[int]:
        written.append(pieces(self, *given, **more))
        return written[-1]

    with edgekit.load(translator / "out" / "tiny-onnx") as ours:
        monkeypatch.setattr(Seq2SeqWriter, "pieces", seen)
        for number, one in enumerate(tiny.pairs(8, seed=11)):
            text = one.source.replace(". ", " ")
            ids, told = wanted(tokenizer, model, text, one.to)
            found = ours.translate(text, to=one.to)
            assert (found.text, found.source, found.target) == (told, "en", one.to)
            assert written[number] == ids[: len(written[number])]
            assert set(ids[len(written[number]) :]) <= {model.config.pad_token_id}


def test_transformers_reads_its_tokenizer_and_its_settings(translator: Path, marian: Path) -> None:
    folder = translator / "out" / "tiny-onnx"
    tokenizer, model = library(marian)
    theirs = AutoTokenizer.from_pretrained(folder)
    for one in tiny.pairs(8, seed=11):
        # The token of a direction is in the manifest's frames.
        assert theirs(one.source)["input_ids"] == tokenizer(one.source)["input_ids"]
        ids = tokenizer(text_target=one.target)["input_ids"]
        assert theirs.decode(ids, skip_special_tokens=True) == one.target
    assert AutoConfig.from_pretrained(folder).model_type == "marian"
    settings = GenerationConfig.from_pretrained(folder)
    assert settings.eos_token_id == model.generation_config.eos_token_id
    assert theirs.model_max_length == edgekit.inspect(folder).manifest.model.max_tokens


def test_a_longer_text_keeps_its_lines_and_every_sentence_is_counted(translator: Path) -> None:
    told: list[tuple[int, int]] = []
    with edgekit.load(translator / "out" / "tiny-onnx") as model:
        alone = {
            text: model.translate(text, to="fr").text for text in ("Lamp on.", "Sing 3 songs.")
        }
        found = model.translate(
            "\nLamp on. Sing 3 songs.\n\n  - Lamp on.\n---\n",
            to="fr",
            on_told=lambda now: told.append((now.parts_read, now.parts)),
        )
    lines = found.text.split("\n")
    assert lines[1] == f"{alone['Lamp on.']} {alone['Sing 3 songs.']}"
    assert [lines[0], lines[2], lines[4:]] == ["", "", ["---", ""]]
    assert lines[3].startswith("  ")
    assert (found.parts_read, found.parts) == (4, 4)
    assert told == [(0, 4), (1, 4), (2, 4), (3, 4), (4, 4)]


def test_a_sentence_longer_than_the_window_is_translated_in_pieces(translator: Path) -> None:
    with edgekit.load(translator / "out" / "tiny-onnx") as model:
        found = model.translate("lamp and " * 60, to="sw")
    assert found.parts > 1 == found.text.count("\n") + 1
    assert found.parts_read == found.parts


def test_languages_are_asked_for_by_name(translator: Path) -> None:
    with edgekit.load(translator / "out" / "tiny-onnx") as model:
        with pytest.raises(edgekit.EdgekitError, match="translates into fr, sw; say into which"):
            model.translate("lamp on")
        with pytest.raises(edgekit.EdgekitError, match="does not translate into 'de'"):
            model.translate("lamp on", to="de")
        with pytest.raises(edgekit.EdgekitError, match="does not translate from 'de' into 'fr'"):
            model.translate("lamp on", to="fr", from_="de")
        with pytest.raises(edgekit.UnsupportedTask, match="is a translation artifact"):
            model.classify("lamp on")
        found = model.translate("Wo ist die Lampe in diesem Zimmer geblieben?", to="French")
        assert found.target == "fr"
        assert found.warnings == ("The text seems to be in German, and was read as English.",)


def test_a_worker_answers_the_same(translator: Path) -> None:
    artifact = translator / "out" / "tiny-onnx"
    with edgekit.load(artifact) as here, edgekit.load(artifact, isolate=True) as apart:
        text = "Lamp on.\nSing something."
        assert apart.translate(text, to="sw") == here.translate(text, to="sw")


def test_the_command_the_table_and_the_server_say_it_too(
    translator: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    artifact = translator / "out" / "tiny-onnx"
    with edgekit.load(artifact) as model:
        found = model.translate("Lamp on.\nSing.", to="sw")
    assert main(["translate", str(artifact), "Lamp on.\nSing.", "--to", "sw"]) == DONE
    assert capsys.readouterr().out == f"{found.text}\n"
    file = tmp_path / "text.txt"
    file.write_text("Lamp on.\nSing.", encoding="utf-8")
    assert main(["translate", str(artifact), "--file", str(file), "--to", "sw", "--json"]) == DONE
    told = json.loads(capsys.readouterr().out)
    assert told == json.loads(json.dumps(found.as_json()))
    assert (told["from"], told["to"], told["parts"]) == ("en", "sw", 2)
    assert main(["translate", str(artifact), "lamp", "--file", str(file)]) == ERROR

    table = edgekit.Handle(artifact, options={"to": "sw"})({"text": ["Lamp on.\nSing.", None]})
    assert table["translation"] == [found.text, None]
    assert table["to"] == ["sw", None]

    with running(artifact) as server:
        answer = server.ask("/v1/translate", {"input": "Lamp on.\nSing.", "to": "sw"}).json
        assert (answer["text"], answer["from"], answer["parts"]) == (found.text, "en", 2)
        assert answer["usage"]["edgekit"]["language_judged"] is True
        wrong = server.ask("/v1/translate", {"input": "Lamp on."})
        assert wrong.status == 400
        assert "say into which" in wrong.json["error"]["message"]


def test_it_is_inspected_verified_and_judged_again(
    translator: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    artifact = translator / "out" / "tiny-onnx"
    manifest = edgekit.inspect(artifact).artifact.manifest
    assert manifest.languages == ("en→fr", "en→sw")
    assert set(manifest.quality["by_language"]) == {"en→fr", "en→sw"}
    assert main(["inspect", str(artifact)]) == DONE
    assert "English → Swahili" in capsys.readouterr().out
    assert main(["verify", str(artifact)]) == DONE
    data, teacher = translator / "data/test.jsonl", translator / "out/teacher"
    asked = ["evaluate", str(artifact), "--data", str(data), "--against", str(teacher), "--json"]
    capsys.readouterr()
    main(asked)
    again = json.loads(capsys.readouterr().out)
    assert again["by_language"] == manifest.quality["by_language"]
    assert again["verdict"] == manifest.quality["verdict"]
    report = (translator / "out/report.html").read_text(encoding="utf-8")
    assert "English → French" in report


@pytest.mark.parametrize("kind", ["m2m100", "nllb"])
def test_models_with_a_token_for_each_language_do_too(kind: str, tmp_path: Path) -> None:
    make, loader, names = {
        "m2m100": (tiny.make_m2m, M2M100Tokenizer, {"en": "en", "fr": "fr", "sw": "sw"}),
        "nllb": (
            tiny.make_nllb, NllbTokenizer, {"en": "eng_Latn", "fr": "fra_Latn", "sw": "swh_Latn"},
        ),
    }[kind]  # fmt: skip
    folder = make(tmp_path / "model")
    path = tiny.make_project(tmp_path / "project", folder, count=30)
    [artifact] = compress(plan.make(recipe.read(path, changes=["must={}"]))).artifacts
    model: Any = M2M100ForConditionalGeneration.from_pretrained(folder).eval()
    tokenizer: Any = loader.from_pretrained(folder, src_lang=names["en"])
    with edgekit.load(artifact.path) as ours:
        for to, text in (("fr", "lamp on"), ("sw", "Sing something, please")):
            inputs = tokenizer(text, return_tensors="pt")
            first = tokenizer.convert_tokens_to_ids(
                f"__{names[to]}__" if kind == "m2m100" else names[to]
            )
            with torch.inference_mode():
                ids = model.generate(**inputs, do_sample=False, forced_bos_token_id=first)[0]
            told = tokenizer.decode(ids, skip_special_tokens=True)
            assert ours.translate(text, to=to).text == told.strip()
