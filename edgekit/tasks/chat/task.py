"""Chat: a language model continues a text or a conversation."""

from __future__ import annotations

from edgekit.data.rows import read_documents
from edgekit.tables import Family
from edgekit.tasks.contract import Task

TASK = Task(
    must=frozenset({"keep", "kld", "top1", "ppl_ratio", "worst_language_kld"}),
    judged_on={"keep": "choices"},
    meaningless={
        "prefix": "belongs to classification; a chat model's template says what stands before",
        "words": "belongs to summarization, and says how long a summary is",
        "target.latency_p95": "is for classification; a chat model's answers take as long as they "
        "are",
    },
    read_rows=read_documents,
    heads={Family.DECODER: "tokens"},
    engines={"gguf": "edgekit.runtime.gguf.engine:open_chat"},
    spec="chat",
)
