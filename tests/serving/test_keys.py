"""Keys: made and revoked by a command, hashed, reread, limited; never in metrics nor in the log."""

from __future__ import annotations

import json
import stat
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from edgekit.cli import DONE, ERROR, USAGE, main
from edgekit.errors import EdgekitError
from edgekit.serving import keys
from edgekit.serving.keys import Key
from edgekit.serving.quota import Quota
from edgekit.serving.refusals import Refusal
from tests.serving.running import Running, running

PATH = "/v1/chat/completions"
HELLO = [{"role": "user", "content": "Hello"}]


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("keys") / "keys.json"


@pytest.fixture(scope="module")
def guarded(file: Path, made_artifact: Path, made_chat_artifact: Path) -> Iterator[Running]:
    keys.add(file, Key("first", "", ""))
    with running(made_artifact, made_chat_artifact, keys=file) as found:
        yield found


def test_the_file_holds_no_key(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "keys.json"
    options = ["--models", "tiny-chat", "--verbs", "chat,classify", "--per-minute", "9",
               "--tokens-a-day", "1000", "--expires", "2031-01-31"]  # fmt: skip
    assert main(["keys", "add", "class 7b", "--keys", str(file), *options]) == DONE
    said = capsys.readouterr()
    secret = said.out.strip()
    assert secret.startswith("ek-")
    assert len(secret) > 30
    assert secret not in file.read_text()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    [found] = keys.read(file)
    assert found == Key(
        "class 7b", keys.hashed(secret), found.created, ("tiny-chat",), ("chat", "classify"), 9,
        1000, "2031-01-31",
    )  # fmt: skip
    assert main(["keys", "list", "--keys", str(file), "--json"]) == DONE
    [listed] = json.loads(capsys.readouterr().out)
    assert listed["name"] == "class 7b"
    assert secret not in str(listed)
    assert main(["keys", "list", "--keys", str(file)]) == DONE
    assert "class 7b" in capsys.readouterr().out
    assert main(["keys", "add", "class 7b", "--keys", str(file)]) == ERROR
    assert main(["keys", "revoke", "class 8", "--keys", str(file)]) == ERROR
    assert "class 7b" in capsys.readouterr().err
    assert main(["keys", "revoke", "--keys", str(file)]) == USAGE
    assert main(["keys", "revoke", "class 7b", "--keys", str(file)]) == DONE
    assert keys.read(file) == ()
    for text in ("{", "[]", '{"form": 2, "keys": []}', '{"form": 1, "keys": [{"name": 1}]}'):
        file.write_text(text)
        with pytest.raises(EdgekitError, match="not a file of keys"):
            keys.read(file)


def test_nobody_is_let_in_without_a_key(guarded: Running) -> None:
    for path, body in (("/v1/models", None), ("/metrics", None), ("/v1/classify", {"input": "a"}),
                       (PATH, {"messages": HELLO})):  # fmt: skip
        for headers in ({}, {"authorization": "Bearer ek-" + "x" * 32},
                        {"authorization": "Basic eDp5"}, {"authorization": "Bearer"}):  # fmt: skip
            got = guarded.ask(path, body, headers=headers)
            assert (got.status, got.code) == (401, "invalid_api_key")
            assert got.headers["www-authenticate"] == "Bearer"
    assert guarded.ask("/healthz").status == 200


def test_a_key_is_known_and_forgotten_without_a_restart(guarded: Running, file: Path) -> None:
    secret = keys.add(file, Key("late", "", ""))
    asked = {"model": "tiny-intents", "input": "lamp"}
    assert guarded.ask("/v1/classify", asked, secret=secret).status == 200
    keys.revoke(file, "late")
    assert guarded.ask("/v1/classify", asked, secret=secret).status == 401
    secret = keys.add(file, Key("old", "", "", expires="2020-01-01"))
    assert guarded.ask("/v1/classify", asked, secret=secret).code == "expired_api_key"
    whole = file.read_bytes()
    file.write_text("{")
    assert guarded.ask("/v1/classify", asked, secret=secret).code == "keys_unreadable"
    file.write_bytes(whole)


def test_a_key_asks_what_it_may(guarded: Running, file: Path) -> None:
    labels = keys.add(file, Key("labels", "", "", verbs=("classify",)))
    chats = keys.add(file, Key("chats", "", "", models=("tiny-chat",)))
    scraper = keys.add(file, Key("scraper", "", "", verbs=("metrics",)))
    classify = {"model": "tiny-intents", "input": "lamp"}
    chat = {"messages": HELLO, "max_tokens": 1}
    assert guarded.ask("/v1/classify", classify, secret=labels).status == 200
    assert guarded.ask(PATH, chat, secret=labels).code == "key_may_not"
    assert guarded.ask(PATH, chat, secret=chats).status == 200
    named = {**classify, "model": "tiny-intents"}
    assert guarded.ask("/v1/classify", named, secret=chats).code == "key_may_not"
    assert guarded.ask("/metrics", secret=chats).code == "key_may_not"
    assert guarded.ask("/metrics", secret=scraper).status == 200
    assert guarded.ask("/v1/classify", classify, secret=scraper).code == "key_may_not"
    [model] = guarded.ask("/v1/models", secret=chats).json["data"]
    assert model["id"] == "tiny-chat"


def test_a_key_asks_as_often_as_it_may(guarded: Running, file: Path) -> None:
    often = keys.add(file, Key("often", "", "", per_minute=2))
    asked = {"input": "lamp", "model": "tiny-intents"}
    assert [guarded.ask("/v1/classify", asked, secret=often).status for _ in range(3)] == [
        200, 200, 429,
    ]  # fmt: skip
    got = guarded.ask("/v1/classify", asked, secret=often)
    assert got.code == "per_minute"
    assert 1 <= int(got.headers["retry-after"]) <= 60
    much = keys.add(file, Key("much", "", "", tokens_a_day=5))
    chat = {"messages": HELLO, "max_tokens": 2}
    assert guarded.ask(PATH, chat, secret=much).status == 200
    got = guarded.ask(PATH, chat, secret=much)
    assert (got.status, got.code) == (429, "tokens_a_day")
    assert int(got.headers["retry-after"]) <= 86_400


def test_no_key_and_no_word_is_counted_or_logged(guarded: Running, file: Path) -> None:
    secret = keys.add(file, Key("Mwanafunzi Asha", "", "", verbs=("classify", "metrics", "chat")))
    word = "kwisha-karibu-siri"
    for body, path in (
        ({"input": word, "model": "tiny-intents"}, "/v1/classify"),
        ({"messages": [{"role": "user", "content": word}], "max_tokens": 2}, PATH),
        ({"input": word, "model": word}, "/v1/classify"),
        ({"messages": [{"role": word, "content": word}]}, PATH),
        ({word: word, "input": "lamp"}, "/v1/classify"),
    ):
        guarded.ask(path, body, secret=secret)
    logged = json.dumps(guarded.lines)
    metrics = guarded.ask("/metrics", secret=secret).body.decode()
    assert guarded.lines
    assert "edgekit_requests_total" in metrics
    [asha] = [one for one in keys.read(file) if one.name == "Mwanafunzi Asha"]
    assert asha.id in logged
    for text in (word, secret, "Asha", asha.hash, "127.0.0.1"):
        assert text not in logged
        assert text not in metrics
    assert asha.id not in metrics


def test_quotas_by_the_clock() -> None:
    seconds, day = [0.0], [datetime(2026, 11, 30, 23, 0, tzinfo=UTC)]
    quota = Quota(clock=lambda: seconds[0], now=lambda: day[0])
    key = Key("a", "f" * 64, "", per_minute=1, tokens_a_day=10)
    quota.ask(key)
    seconds[0] = 45.0
    with pytest.raises(Refusal) as refused:
        quota.ask(key)
    assert refused.value.headers["retry-after"] == "15"
    seconds[0] = 60.0
    quota.ask(key)
    quota.spend(key, 10)
    seconds[0] = 600.0
    with pytest.raises(Refusal) as refused:
        quota.ask(key)
    assert refused.value.headers["retry-after"] == "3600"
    day[0] = datetime(2026, 12, 1, 0, 0, tzinfo=UTC)
    quota.ask(key)
    quota.forget(frozenset())
    quota.ask(key)


def test_the_server_listens_on_loopback_alone_without_keys(
    made_artifact: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["serve", str(made_artifact), "--host", "0.0.0.0"]) == ERROR
    assert "edgekit keys add" in capsys.readouterr().err
    assert main(["serve", str(made_artifact), "--tls-cert", "cert.pem"]) == USAGE
