"""Labels, fields and counts of tokens that a chat model is asked for over HTTP. Runs no model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from edgekit.artifact.manifest import Manifest
from edgekit.data import conversation
from edgekit.data.conversation import Message, Sampling
from edgekit.errors import DataError, WorkerError
from edgekit.tasks.chat.answer_form import check_form
from edgekit.tasks.chat.extraction import Form
from edgekit.tasks.chat.labelling import Question
from edgekit.tasks.classification.routes import answered, taken, texts_of
from edgekit.tasks.quality import judged_languages
from edgekit.tasks.routes import Answered, Body, Way, WrongField, counts

MOST_TOKENS = 1024
"""Of extracted fields, unless another number is asked for."""


@dataclass(frozen=True, slots=True)
class ChooseLabels:
    """Labels that the request brings."""

    texts: tuple[str, ...]
    labels: tuple[str, ...]
    instruction: str | None
    abstain_below: float | None
    judged: frozenset[str]
    stream: bool = False

    @classmethod
    def read(cls, body: Body, manifest: Manifest) -> ChooseLabels:
        labels = tuple(body["labels"])
        try:
            Question.about(labels)
        except DataError as error:
            raise WrongField("labels", str(error)) from error
        return cls(
            texts_of(body), labels, body.get("instruction"), body.get("abstain_below"),
            judged_languages(manifest.quality),
        )  # fmt: skip

    def run(self, verbs: Any, way: Way) -> Answered:
        answers = verbs.classify(
            self.texts,
            abstain_below=self.abstain_below,
            labels=self.labels,
            examples=(),
            validation=(),
            instruction=self.instruction,
        )
        return answered(self.texts, taken(answers, way), way, judged=self.judged)


@dataclass(frozen=True, slots=True)
class Extract:
    text: str
    form: Form
    instruction: str | None
    max_tokens: int
    stream: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.text,)

    @classmethod
    def read(cls, body: Body, manifest: Manifest) -> Extract:
        schema = body["schema"]
        try:
            form = Form.of(schema)
        except DataError as error:
            raise WrongField("schema", str(error)) from error
        check_form(schema, form.grammar, "schema")
        most = int(body.get("max_tokens") or MOST_TOKENS)
        return cls(body["input"], form, body.get("instruction"), most)

    def run(self, verbs: Any, way: Way) -> Answered:
        # The likeliest answer, and the same one each time.
        asked = Sampling(
            self.max_tokens, temperature=0.0, seed=0, grammar=self.form.grammar, drafts=True
        )
        question = self.form.question(self.text, instruction=self.instruction)
        with verbs.chat(question, asked) as stream:
            way.stoppable(stream.cancel)
            reply = stream.reply()
        if reply.ended == "cancelled":
            raise WorkerError("The answer was stopped before its end; ask again.")
        usage = {
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.tokens,
            "total_tokens": reply.prompt_tokens + reply.tokens,
            "edgekit": counts(way),
        }
        return Answered(
            body={
                "object": "edgekit.fields",
                "model": way.model,
                "data": self.form.read(reply),
                "usage": usage,
            },
            prompt_tokens=reply.prompt_tokens,
            tokens=reply.tokens,
            reused_tokens=reply.reused_tokens,
        )


@dataclass(frozen=True, slots=True)
class CountTokens:
    told: str | tuple[Message, ...]
    ids: bool = False
    """Whether the tokens themselves are asked for."""
    stream: bool = False

    @property
    def texts(self) -> tuple[str, ...]:
        return (self.told if isinstance(self.told, str) else json.dumps(self.told),)

    @classmethod
    def read(cls, body: Body, manifest: Manifest) -> CountTokens:
        given, ids = body["input"], bool(body.get("ids"))
        if isinstance(given, str):
            return cls(given, ids)
        try:
            return cls(tuple(conversation.messages(given)), ids)
        except DataError as error:
            raise WrongField("input", str(error)) from error

    def run(self, verbs: Any, way: Way) -> Answered:
        told = self.told if isinstance(self.told, str) else list(self.told)
        ids = verbs.ids(told)
        body = {
            "object": "edgekit.tokens",
            "model": way.model,
            "count": len(ids),
            "context": verbs.context,
        }
        return Answered(body={**body, "ids": ids} if self.ids else body)
