"""`edgekit new` with a checkpoint and rows: what it writes can be planned, or is not there."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from edgekit.cli import main
from edgekit.data import corrected, declaration
from edgekit.data.record_writer import RecordWriter
from edgekit.data.rows import read_documents, read_rows
from edgekit.recipe import recipe
from edgekit.recipe.dataset import folded
from tests.tiny import chat as tiny_chat
from tests.tiny import encoder as tiny
from tests.tiny import label_sets
from tests.tiny import llama as tiny_llama
from tests.tiny import seq2seq as tiny_seq2seq
from tests.tiny import translator as tiny_translator


def write_table(path: Path, records: Iterable[Mapping[str, Any]]) -> Path:
    records = list(records)
    with path.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.DictWriter(stream, records[0])
        writer.writeheader()
        writer.writerows(records)
    return path


def labelled(**changes: Callable[[dict[str, str]], str | None]) -> list[dict[str, str]]:
    """The tiny commands; `changes` make the value of a column of a row, or drop it by None."""
    found = []
    for language, labels in tiny.LANGUAGES.items():
        for label, texts in labels.items():
            for text in texts:
                for ending in tiny.ENDINGS:
                    row = {"text": text + ending, "label": label, "language": language}
                    row["group"] = f"{language}-{text}-{tiny.ENDINGS.index(ending) % 4}"
                    for column, change in changes.items():
                        value = change(row)
                        row = {key: one for key, one in row.items() if key != column}
                        row |= {} if value is None else {column: value}
                    found.append(row)
    return found


def written(folder: Path) -> recipe.BoundRecipe:
    return recipe.read(folder / "recipe.yaml")


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8", newline="") as stream:
        return list(csv.DictReader(stream))


def new(*arguments: object) -> int:
    return main(["new", *map(str, arguments)])


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Checkpoints of every family, and tables of rows for each task; not to be changed."""
    root = tmp_path_factory.mktemp("starting")
    for name in ("classifier", "encoder", "decoder"):
        (root / name).mkdir()
    tiny.make_encoder(root / "classifier", labels=tiny.LABELS)
    tiny.make_encoder(root / "encoder")
    tiny_llama.make_checkpoint(root / "decoder")
    tiny_seq2seq.make_model(root / "writer", trained=False)
    write_table(root / "labelled.csv", labelled())
    pairs = {one.text: one for one in tiny_seq2seq.pairs(200)}.values()
    write_table(root / "pairs.csv", map(asdict, pairs))
    texts = [row for name in tiny_chat.SETS for row in tiny_chat.rows(name)]
    tiny_chat.write_rows(root / "chat.jsonl", texts)
    return root


@pytest.mark.parametrize(
    ("model", "table", "name", "steps"),
    [
        ("classifier", "labelled.csv", "classify-lossless", ["trim_vocab"]),
        ("encoder", "labelled.csv", "classify-lossless", ["finetune", "trim_vocab"]),
        ("decoder", "chat.jsonl", "chat-small", []),
        ("writer", "pairs.csv", "summarize-int8", ["trim_vocab"]),
        ("encoder", "pairs.csv", "summarize-extractive", ["trim_vocab"]),
    ],
)
def test_what_it_writes_for_each_family_can_be_planned(
    model: str,
    table: str,
    name: str,
    steps: list[str],
    place: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    folder = tmp_path / "Own Model"
    assert new(folder, "--model", place / model, "--data", place / table) == 0
    assert f"Recipe: {name}, chosen because" in capsys.readouterr().out
    bound = written(folder)
    assert [step.name for step in bound.steps] == steps
    assert bound.recipe.name == "own-model"
    assert set(bound.recipe.languages) <= {"ar", "en", "fr", "sw"}
    assert main(["plan", str(folder / "recipe.yaml")]) == 0
    assert "It fits in this machine's memory and disk." in capsys.readouterr().out


@pytest.fixture(scope="module")
def translator(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny_translator.make_marian(tmp_path_factory.mktemp("starting") / "marian")


def pairs(count: int, *targets: str) -> list[dict[str, str]]:
    found = tiny_translator.pairs(count, targets=targets, seed=9)
    return [
        {"source": one.source, "target": one.target, "from": "en", "to": one.to} for one in found
    ]


def test_a_translator_as_it_is_published_gets_its_recipe(
    translator: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    table = write_table(tmp_path / "pairs.csv", pairs(100, "fr", "sw"))
    folder = tmp_path / "own"
    assert new(folder, "--model", translator, "--data", table) == 0
    said = capsys.readouterr().out
    assert (
        "Recipe: translate-int8, chosen because it changes what a translator writes least" in said
    )
    assert "Languages: by the columns 'from' and 'to'." in said
    assert written(folder).recipe.directions == ("en→fr", "en→sw")
    assert "languages:\n  from: [en]\n  to: [fr, sw]\n" in (folder / "recipe.yaml").read_text(
        "utf-8"
    )
    assert {row["to"] for row in rows(folder / "data" / "test.csv")} == {"fr", "sw"}
    assert main(["plan", str(folder / "recipe.yaml")]) == 0


def test_of_one_direction_the_languages_are_told(
    translator: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    texts = declaration.paragraphs("en"), declaration.paragraphs("fr")
    found = [
        {"source": one, "target": other} for one, other in zip(*texts, strict=False) if one != other
    ]
    table = write_table(tmp_path / "pairs.csv", found)
    assert new(tmp_path / "own", "--model", translator, "--data", table) == 0
    assert "Languages: told from the texts (en→fr)" in capsys.readouterr().out
    assert written(tmp_path / "own").recipe.directions == ("en→fr",)
    mixed = [*found, *({"source": one["target"], "target": one["source"]} for one in found)]
    table = write_table(tmp_path / "mixed.csv", mixed)
    assert new(tmp_path / "both", "--model", translator, "--data", table) == 1
    assert "add the columns 'from' and 'to'" in capsys.readouterr().err


def test_a_translator_without_translations_is_told_what_it_needs(
    translator: Path, place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert new(tmp_path / "own", "--model", translator, "--data", place / "pairs.csv") == 1
    assert "there is no column 'source'" in capsys.readouterr().err
    assert not (tmp_path / "own").exists()


def test_integer_labels_of_a_parquet_file_are_divided_by_their_names(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    found = labelled()
    columns = {name: [row[name] for row in found] for name in ("text", "language", "group")}
    columns |= {"label": [tiny.LABELS.index(row["label"]) for row in found]}
    names = {"label": {"_type": "ClassLabel", "names": list(tiny.LABELS)}}
    metadata = json.dumps({"info": {"features": names}})
    pq.write_table(
        pa.table(columns).replace_schema_metadata({"huggingface": metadata}),
        tmp_path / "rows.parquet",
    )
    folder = tmp_path / "own"
    assert new(folder, "--model", place / "classifier", "--data", tmp_path / "rows.parquet") == 0
    assert {row.label for row in read_rows(next((folder / "data").glob("test.*")))} == {
        *tiny.LABELS
    }
    assert main(["plan", str(folder / "recipe.yaml")]) == 0, capsys.readouterr().err


def test_rows_with_several_labels_are_divided_by_the_rarest(place: Path, tmp_path: Path) -> None:
    """A label of four texts is in every set, although each of them has a common one, too."""
    found = []
    for number, (text, labels, language) in enumerate(label_sets.rows()):
        rare = number in range(0, 20, 5)  # all in the first language
        found.append({
            "text": f"{text} {number}", "language": language,
            "labels": "|".join((*labels, *(["rare"] if rare else []))),
        })  # fmt: skip
    assert sum("rare" in row["labels"] for row in found) == 4
    folder = tmp_path / "own"
    table = write_table(tmp_path / "sets.csv", found)
    assert new(folder, "--model", place / "encoder", "--data", table) == 0
    for name in ("train", "validation", "test"):
        read = read_rows(folder / "data" / f"{name}.csv")
        assert {label for row in read for label in row.all_labels} >= {"rare"}, name
    assert main(["plan", str(folder / "recipe.yaml")]) == 0


def test_instructions_and_their_answers_become_a_chat_recipe(place: Path, tmp_path: Path) -> None:
    texts = tiny_llama.texts(["en"], of_each=40)
    records = [
        {"instruction": text, "input": "", "output": text[:20], "language": "en"} for text in texts
    ]
    tiny_chat.write_rows(tmp_path / "alpaca.jsonl", records)
    folder = tmp_path / "own"
    assert new(folder, "--model", place / "decoder", "--data", tmp_path / "alpaca.jsonl") == 0
    [path] = (folder / "data").glob("train.*")
    assert all(row.messages for row in read_documents(path))


def test_a_single_table_is_divided_by_group_and_no_text_is_in_two_sets(
    place: Path, tmp_path: Path
) -> None:
    # Another row of each text, in another group and other case, ties both groups together.
    again = [row | {"text": row["text"].upper(), "group": "g"} for row in labelled()[:3]]
    table = write_table(tmp_path / "all.csv", [*labelled(), *again])
    folder = tmp_path / "own"
    assert new("spam", folder, "--model", place / "encoder", "--data", table) == 0
    sets = {name: rows(folder / "data" / f"{name}.csv") for name in ("train", "validation", "test")}
    assert sum(map(len, sets.values())) == len(labelled()) + len(again)
    for part in (lambda row: row["group"], lambda row: folded(row["text"])):
        seen = [{part(row) for row in found} for found in sets.values()]
        assert sum(map(len, seen)) == len(set.union(*seen))
    for found in sets.values():
        assert {(row["label"], row["language"]) for row in found} == {
            (label, language) for label in tiny.LABELS for language in tiny.LANGUAGES
        }
    assert len(sets["train"]) > len(sets["test"]) > len(sets["validation"])
    once = {path.name: path.read_bytes() for path in (folder / "data").iterdir()}
    assert new("spam", tmp_path / "twice", "--model", place / "encoder", "--data", table) == 0
    assert once == {p.name: p.read_bytes() for p in (tmp_path / "twice" / "data").iterdir()}


def test_files_with_telling_names_stay_where_they_are(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tiny.write_rows(tmp_path / "data", per_text=12)
    (tmp_path / "data" / "validation.csv").rename(tmp_path / "data" / "dev-1.csv")
    (tmp_path / "data" / "raw.txt").write_text("a text that nobody labelled\n", encoding="utf-8")
    files = [tmp_path / "data" / name for name in ("test.csv", "dev-1.csv", "train.csv", "raw.txt")]
    assert new(tmp_path / "own", "--model", place / "classifier", "--data", *files) == 0
    data = written(tmp_path / "own").recipe.data
    assert data.train == ["../data/train.csv"]
    assert data.validation == ["../data/dev-1.csv"]
    assert data.test == ["../data/test.csv"]
    assert data.unlabeled == ["../data/raw.txt"]
    assert [path.name for path in (tmp_path / "own").iterdir()] == ["recipe.yaml"]
    capsys.readouterr()
    assert new("spam", tmp_path / "spam", "--model", place / "encoder", "--data", *files) == 0
    assert "raw.txt, left out: no step of this recipe reads them" in capsys.readouterr().out
    assert written(tmp_path / "spam").recipe.data.unlabeled is None


def test_a_shipped_recipe_keeps_its_comments_and_says_what_it_was_made_of(
    place: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    table = place / "labelled.csv"
    assert new("spam", folder, "--model", place / "encoder", "--data", table) == 0
    text = (folder / "recipe.yaml").read_text(encoding="utf-8")
    shipped = recipe.shipped()["spam"].read_text(encoding="utf-8")
    assert text.startswith(shipped.splitlines()[0])
    assert "Made for the data of" not in text
    # The encoder's window is shorter than what the recipe asks for.
    assert "\nmax_tokens: 64              # a longer e-mail is read in windows" in text
    assert "\n# Rows: labelled.csv, divided by the column group: " in text
    assert text.split("steps:")[1] == shipped.split("steps:")[1]


def test_a_recipe_that_extends_another_says_all_that_is_its_own(
    place: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "own"
    assert (
        new(
            "home-intents-quick",
            folder,
            "--model",
            place / "encoder",
            "--data",
            place / "labelled.csv",
        )
        == 0
    )
    bound = written(folder)
    assert bound.recipe.extends == "builtin/home-intents"
    assert bound.recipe.languages == ["ar", "en", "fr"]
    assert bound.recipe.data.test == ["data/test.csv"]


def test_languages_are_told_where_rows_name_none(place: Path, tmp_path: Path) -> None:
    sentences = {
        "en": "The weather in the mountains will be cold and windy this evening",
        "sw": "Mtoto ana homa kali na anahitaji kumwona daktari leo asubuhi",
    }
    records = [
        {"text": f"{sentence}, {number}", "label": label}
        for number in range(40)
        for label in tiny.LABELS
        for sentence in sentences.values()
    ]
    table = write_table(tmp_path / "both.csv", records)
    assert new(tmp_path / "two", "--model", place / "classifier", "--data", table) == 0
    assert written(tmp_path / "two").recipe.languages == ["en", "sw"]
    found = rows(tmp_path / "two" / "data" / "test.csv")
    assert all(sentences[row["language"]] in row["text"] for row in found)
    # Of one language alone, the files are good as they are.
    alone = [row for row in records if sentences["sw"] in row["text"]]
    files = [
        write_table(tmp_path / f"{name}.csv", alone[at : at + 39])
        for at, name in ((0, "train"), (39, "valid"), (78, "test"))
    ]
    assert new(tmp_path / "one", "--model", place / "classifier", "--data", *files) == 0
    assert written(tmp_path / "one").recipe.languages == ["sw"]
    assert [path.name for path in (tmp_path / "one").iterdir()] == ["recipe.yaml"]


def test_languages_that_nothing_trains_are_not_listed(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    everything = labelled()
    files = [
        write_table(tmp_path / f"{name}.csv", [row for row in everything[at::3] if keep(row)])
        for at, (name, keep) in enumerate(
            {"train": lambda row: row["language"] != "ar", "dev": bool, "test": bool}.items()
        )
    ]
    assert new(tmp_path / "bare", "--model", place / "encoder", "--data", *files) == 0
    assert written(tmp_path / "bare").recipe.languages == ["en", "fr"]
    assert "Not listed, for want of rows to train or to judge by: ar." in capsys.readouterr().out
    # What is trained already may know it, and the test set can prove it.
    assert new(tmp_path / "done", "--model", place / "classifier", "--data", *files) == 0
    assert written(tmp_path / "done").recipe.languages == ["ar", "en", "fr"]


BAD = {
    "a folder without config.json": (
        ["--model", "{place}", "--data", "{place}/labelled.csv"],
        "config.json is missing",
    ),
    "a table without texts": (
        ["--model", "{place}/classifier", "--data", "{place}/sentences.csv"],
        "there is no column 'text' or 'messages'. There are: label, language",
    ),
    "a table without labels": (
        ["--model", "{place}/classifier", "--data", "{place}/unlabelled.csv"],
        "there is no column 'label' or 'labels' or 'summary'",
    ),
    "languages that are not codes": (
        ["--model", "{place}/classifier", "--data", "{place}/english.csv"],
        "has 'Englisch', which is not a code; write codes such as en or pt-BR",
    ),
    "one label": (
        ["--model", "{place}/encoder", "--data", "{place}/heat.csv"],
        "every row has the label 'heat'; a classifier needs two or more",
    ),
    "labels that the head does not know": (
        ["--model", "{place}/classifier", "--data", "{place}/others.csv"],
        "which the model does not know",
    ),
    "rows too few to divide": (
        ["--model", "{place}/classifier", "--data", "{place}/few.csv"],
        "2 rows are too few to be divided",
    ),
    "a name that tells nothing": (
        ["--model", "{place}/classifier", "--data", "{place}/labelled.csv", "{place}/few.csv"],
        "its name does not say whether its rows are for training, validation or test",
    ),
    "a recipe of another task": (
        ["chat-small", "{own}", "--model", "{place}/encoder", "--data", "{place}/labelled.csv"],
        "The recipe chat-small is for chat, which a bert model (encoder) does not do; "
        "classify-lossless suits it.",
    ),
    "a recipe for another family": (
        ["summarize-small", "{own}", "--model", "{place}/encoder", "--data", "{place}/pairs.csv"],
        "The recipe summarize-extractive suits a bert model.",
    ),
    "a recipe that is misspelt": (
        ["classify-losless", "--model", "{place}/encoder", "--data", "{place}/labelled.csv"],
        "Did you mean 'classify-lossless'?",
    ),
    "a model without rows": (["--model", "{place}/encoder"], "--model and --data belong together"),
    "nothing at all": ([], "Name a recipe from `edgekit recipes`"),
}


@pytest.mark.parametrize(("arguments", "sentence"), BAD.values(), ids=BAD.keys())
def test_what_cannot_be_planned_is_one_sentence_and_leaves_nothing(
    arguments: list[str],
    sentence: str,
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    all_rows = labelled()
    write_table(place / "sentences.csv", labelled(text=lambda row: None, sentence=str))
    write_table(place / "unlabelled.csv", labelled(label=lambda row: None))
    write_table(place / "english.csv", labelled(language=lambda row: "Englisch"))
    write_table(place / "heat.csv", [row for row in all_rows if row["label"] == "heat"])
    write_table(place / "others.csv", labelled(label=lambda row: "x" + row["label"]))
    write_table(place / "few.csv", [all_rows[0], all_rows[40]])
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    shown = {"place": place, "own": tmp_path / "here" / "own"}
    assert new(*(argument.format(**shown) for argument in arguments)) == 1
    error = capsys.readouterr().err
    assert sentence in error
    assert error.count("\n") == 1
    assert list((tmp_path / "here").iterdir()) == []


def test_what_is_there_stays_as_it_is(
    place: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rest = ["--model", place / "classifier", "--data", place / "labelled.csv"]
    for name in ("recipe.yaml", "data/test.csv"):
        taken = tmp_path / name.replace("/", "-") / name
        taken.parent.mkdir(parents=True)
        taken.write_text("mine", encoding="utf-8")
        assert new(tmp_path / name.replace("/", "-"), *rest) == 1
        assert f"{taken} exists; name another folder." in capsys.readouterr().err
        assert list(taken.parent.iterdir()) == [taken]
        assert taken.read_text(encoding="utf-8") == "mine"
    assert new(taken, *rest) == 1
    assert "exists; name another folder." in capsys.readouterr().err


def test_rows_keep_their_further_columns_and_their_format(place: Path, tmp_path: Path) -> None:
    table = tmp_path / "rows.jsonl"
    with table.open("w", encoding="utf-8") as stream:
        for number, row in enumerate(labelled()):
            stream.write(json.dumps({**row, "number": number}, ensure_ascii=False) + "\n")
    assert new(tmp_path / "own", "--model", place / "classifier", "--data", table) == 0
    lines = (tmp_path / "own" / "data" / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert all(isinstance(json.loads(line)["number"], int) for line in lines)


def test_labels_corrected_in_the_app_are_named(
    place: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("EDGEKIT_DATA", str(tmp_path))
    for name, label in (("intents", "heat"), ("others", "unknown here")):
        path = corrected.path_of(name)
        path.parent.mkdir(exist_ok=True)
        path.write_text(f"text,label\nnever seen before,{label}\n")
    model, table = place / "classifier", place / "labelled.csv"
    assert new(tmp_path / "own", "--model", model, "--data", table) == 0
    said = capsys.readouterr().out
    assert "Corrected in the app for 'intents', and not among these rows: 1 labels" in said
    assert "others" not in said


def test_a_workbook_is_divided_and_its_rows_are_written_as_csv(place: Path, tmp_path: Path) -> None:
    book = tmp_path / "rows.xlsx"
    with RecordWriter(book) as writer:
        for row in labelled():
            writer.write(row)
        writer.finish()
    assert new(tmp_path / "own", "--model", place / "classifier", "--data", book) == 0
    sets = [rows(tmp_path / "own" / "data" / f"{name}.csv") for name in ("train", "test")]
    assert all(row in labelled() for found in sets for row in found)
