"""Translation: a text in one language becomes one in another."""

from __future__ import annotations

from edgekit.data.rows import read_translations
from edgekit.tables import Family
from edgekit.tasks.contract import Task

TASK = Task(
    must=frozenset({"metric", "keep", "worst_language"}),
    metrics=frozenset({"chrf"}),
    meaningless={
        "abstain_below": "belongs to classification, whose answers have a score",
        "data.choices": "is for the task chat",
        "data.unlabeled": "holds texts without a language to translate them into; write them into "
        "data.train with a translation",
        "prefix": "is what the model's vocabulary says for each language",
        "words": "belongs to summarization, and says how long a summary is",
    },
    read_rows=read_translations,
    heads={Family.SEQ2SEQ: "translations"},
    engines={"onnx": "edgekit.tasks.translation.engine:open_translator"},
    spec="translation",
    directed=True,
)
