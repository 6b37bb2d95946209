from __future__ import annotations

import numpy as np
import sacrebleu

from edgekit.data.rows import Row
from edgekit.tasks.translation.proof import scores
from edgekit.tasks.translation.proof.quality import TranslationMust, changed_rows, judge

REFERENCES = ["la lampe est allumée", "la musique est forte dans la cuisine", "il fait froid ici"]
FOUND = ["la lampe est allumée", "la musique est douce dans la chambre", "il fait très froid ici"]


def test_they_are_those_of_sacrebleu_itself() -> None:
    names = ["en→fr"] * 3
    found = scores.score(REFERENCES, FOUND, names).part(np.arange(3))
    assert found["chrf"] == sacrebleu.corpus_chrf(FOUND, [REFERENCES]).score
    assert found["bleu"] == sacrebleu.corpus_bleu(FOUND, [REFERENCES]).score
    alone = [
        sacrebleu.sentence_chrf(one, [wanted]).score / 100
        for one, wanted in zip(FOUND, REFERENCES, strict=True)
    ]
    assert found["sentence_chrf"] == np.mean(alone)


def test_words_of_chinese_and_japanese_are_cut_as_sacrebleu_cuts_them() -> None:
    wanted, told = ["我喜欢在厨房里听音乐。"], ["我喜欢在房间里听音乐。"]
    zh = scores.score(wanted, told, ["en→zh-CN"]).part(np.arange(1))
    assert zh["bleu"] == sacrebleu.corpus_bleu(told, [wanted], tokenize="zh").score
    ja = scores.score(wanted, told, ["en→ja"]).part(np.arange(1))
    assert ja["bleu"] == sacrebleu.corpus_bleu(told, [wanted], tokenize="char").score
    assert "tok:zh" in scores.signatures(["en→zh"])["bleu en→zh"]


def rows(count: int, names: tuple[str, ...] = ("en→fr", "en→sw")) -> list[Row]:
    return [
        Row(f"The lamp number {n} is on.", summary=f"La lampe numéro {n} est allumée.",
            language=names[n % len(names)])
        for n in range(count)
    ]  # fmt: skip


def test_each_direction_has_its_own_verdict_and_the_worst_decides() -> None:
    given = rows(400)
    right = [str(row.summary) for row in given]
    worse = [
        text if row.language == "en→fr" else text.replace("allumée", "à la cuisine")
        for row, text in zip(given, right, strict=True)
    ]
    must = TranslationMust(keep=0.5, worst_language=0.95)
    found = judge(given, worse, teacher=right, languages=["en→fr", "en→sw"], must=must)
    assert found["by_language"]["en→fr"]["kept"] == 1.0
    assert found["by_language"]["en→sw"]["kept"] < 0.9
    assert found["verdict"] == "FAIL"
    assert "In English → Swahili it keeps" in found["why"]
    assert found["worst_language"]["language"] == "en→sw"
    same = judge(given, right, teacher=right, languages=["en→fr", "en→sw"], must=must)
    assert same["verdict"] == "PASS"
    assert same["agreement"] == 1.0
    changed = changed_rows(given, worse, right)
    assert len(changed) == 200
    assert {one["kind"] for one in changed} == {"worse"}
