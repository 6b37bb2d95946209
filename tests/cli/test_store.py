"""`edgekit store` on a store with a finished, an unfinished and a used entry."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from edgekit.cli import DONE, ERROR, main
from edgekit.store.store import Store
from edgekit.system import paths


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Store]:
    monkeypatch.setenv("EDGEKIT_CACHE", str(tmp_path / "cache"))
    with Store(paths.store_dir()) as store:
        yield store


def write(folder: Path) -> dict[str, object]:
    (folder / "weights.bin").write_bytes(bytes(5000))
    return {}


def stop(folder: Path) -> dict[str, object]:
    raise KeyboardInterrupt


def test_an_empty_store_is_shown_and_not_made(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["store"]) == DONE
    assert main(["store", "--clear"]) == DONE
    assert "0 B of at most 20.00 GB" in capsys.readouterr().out
    assert not store.folder.exists()


def test_entries_are_listed_youngest_first(
    store: Store, capsys: pytest.CaptureFixture[str]
) -> None:
    old = store.run("finetune", {}, write)
    os.utime(old.folder, (1_700_000_000, 1_700_000_000))
    with pytest.raises(KeyboardInterrupt):
        store.run("distill", {}, stop)
    store.close()
    assert main(["store", "--json"]) == DONE
    shown = json.loads(capsys.readouterr().out)
    assert shown["folder"] == str(store.folder)
    assert shown["budget_bytes"] == 20 * 10**9
    assert shown["total_bytes"] == sum(entry["size_bytes"] for entry in shown["entries"]) > 5000
    youngest, oldest = shown["entries"]
    assert (youngest["name"], youngest["finished"]) == ("", False)
    assert (oldest["name"], oldest["finished"], oldest["key"]) == ("finetune", True, old.key)
    assert oldest["last_used"] == "2023-11-14T22:13:20Z"
    assert main(["store"]) == DONE
    words = capsys.readouterr().out
    assert words.index("(not finished)") < words.index("finetune")
    assert "2023-11-14 22:13" in words


def test_clear_leaves_what_is_in_use(store: Store, capsys: pytest.CaptureFixture[str]) -> None:
    with Store(paths.store_dir()) as earlier:
        earlier.run("finetune", {}, write)
    store.run("distill", {}, write)
    assert main(["store", "--clear", "--json"]) == DONE
    shown = json.loads(capsys.readouterr().out)
    assert shown["removed"] == 1
    assert shown["removed_bytes"] > 5000
    assert [(entry["name"], entry["in_use"]) for entry in shown["entries"]] == [("distill", True)]
    store.close()
    assert main(["store", "--clear"]) == DONE
    assert "removed 1 of 1 entries" in capsys.readouterr().out
    assert store.entries() == []


def test_a_budget_that_is_no_size_is_one_sentence(
    store: Store, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("EDGEKIT_STORE_BUDGET", "much")
    assert main(["store"]) == ERROR
    assert "EDGEKIT_STORE_BUDGET: 'much' is not a size such as" in capsys.readouterr().err
