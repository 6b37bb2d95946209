from __future__ import annotations

import json
from pathlib import Path

import pytest

from edgekit.artifact.specs import Frame
from edgekit.checkpoint import frames
from edgekit.errors import CheckpointError

ENDS = {"</s>": 2}


def folder(path: Path, kind: str, **settings: object) -> Path:
    (path / "config.json").write_text(json.dumps({"model_type": kind}))
    (path / "tokenizer_config.json").write_text(json.dumps(settings))
    return path


def test_marian_puts_the_target_before_a_text_where_it_knows_several(tmp_path: Path) -> None:
    marian = folder(tmp_path, "marian")
    ids = {**ENDS, ">>fra<<": 7, "\uffff>>por<<": 8, ">>cmn_Hans<<": 9, ">>pt_BR<<": 10}
    assert frames.one(marian, ids, "en→fr") == Frame((7,), (2,), None)
    assert frames.one(marian, ids, "en→pt") == Frame((8,), (2,), None)
    assert frames.one(marian, ids, "en→pt-BR") == Frame((10,), (2,), None)
    with pytest.raises(CheckpointError, match="no token for the language 'de', of 4"):
        frames.one(marian, ids, "en→de")
    assert frames.one(marian, ENDS, "en→de") == Frame((), (2,), None)
    frames.refuse_targets(marian, ids, ["en→fr", "en→pt"])
    frames.refuse_targets(marian, ENDS, ["en→de"])
    with pytest.raises(CheckpointError, match="translates into one language"):
        frames.refuse_targets(marian, ENDS, ["en→de", "en→fr"])


def test_m2m100_and_nllb_begin_both_with_a_language(tmp_path: Path) -> None:
    m2m = folder(tmp_path, "m2m_100", eos_token={"content": "</s>"})
    ids = {**ENDS, "__en__": 4, "__sw__": 5}
    assert frames.one(m2m, ids, "en→sw") == Frame((4,), (2,), 5)
    # A piece of a word is no language.
    nllb = {
        **ENDS,
        "en": 3,
        "sw": 4,
        "eng_Latn": 6,
        "swh_Latn": 7,
        "zho_Hant": 8,
        "zho_Hans": 9,
        "arb_Arab": 10,
    }
    assert frames.one(m2m, nllb, "en→sw") == Frame((6,), (2,), 7)
    assert frames.one(m2m, nllb, "zh→ar") == Frame((9,), (2,), 10)
    assert frames.one(m2m, nllb, "zh-Hant→en") == Frame((8,), (2,), 6)
    folder(tmp_path, "m2m_100", legacy_behaviour=True)
    assert frames.one(m2m, nllb, "en→sw") == Frame((), (2, 6), 7)
