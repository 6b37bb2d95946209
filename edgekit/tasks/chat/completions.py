"""OpenAI's chat completions as a call of a chat model's verbs, whole or as chunks. No model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from edgekit.artifact.manifest import Manifest
from edgekit.data.conversation import Ended, Reply, Sampling
from edgekit.errors import WorkerError
from edgekit.tasks.chat import answer_form, asked_messages
from edgekit.tasks.chat.asked_messages import Asked
from edgekit.tasks.chat.tool_calls import CallReader, CallStart, Said
from edgekit.tasks.routes import Answered, Body, Way, counts

_FINISHED: Mapping[Ended, str] = {"stop": "stop", "max_tokens": "length", "context": "length"}


@dataclass(frozen=True, slots=True)
class Completion:
    asked: Asked
    sampling: Sampling
    calls: bool
    """Whether the answer may call a tool."""
    stream: bool
    with_usage: bool
    """Whether a stream ends with its usage."""
    fingerprint: str
    """Says with which weights an answer was made."""

    @property
    def texts(self) -> tuple[str, ...]:
        return tuple(message["content"] for message in self.asked.messages)

    @classmethod
    def read(cls, body: Body, manifest: Manifest) -> Completion:
        form = answer_form.of(body)
        return cls(
            asked=asked_messages.of(body["messages"], form.told),
            sampling=_sampling(body, form.grammar),
            calls=form.calls,
            stream=bool(body.get("stream")),
            with_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            fingerprint=f"fp_{manifest.digest[:12]}",
        )

    def run(self, verbs: Any, way: Way) -> Answered:
        written = _Written(self, way)
        with verbs.chat(self.asked.messages, self.sampling) as stream:
            way.stoppable(stream.cancel)
            for piece in stream:
                written.add(piece)
            reply = stream.reply()
        if reply.ended == "cancelled" and not way.cancelled:
            # Somebody else stopped it, as when the model is closed: an answer without its end must
            # not look like a whole one.
            raise WorkerError("The answer was stopped before its end; ask again.")
        return written.end(reply)


@dataclass(slots=True)
class _Written:
    """An answer while it is made: its chunks, and what they add up to."""

    call: Completion
    way: Way
    content: str = ""
    tool: CallStart | None = None
    arguments: str = ""
    begun: bool = False
    reader: CallReader = field(init=False)

    def __post_init__(self) -> None:
        self.reader = CallReader(may_call=self.call.calls)

    def add(self, piece: str) -> None:
        for said in self.reader.add(piece):
            self._take(said)

    def end(self, reply: Reply) -> Answered:
        for said in self.reader.end():
            self._take(said)
        finished = _FINISHED.get(reply.ended, "stop")
        if self.tool is not None and finished == "stop":
            finished = "tool_calls"
        usage = self._usage(reply)
        if self.call.stream:
            self._end_stream(finished, usage)
        return Answered(
            body=self._body(finished, usage),
            prompt_tokens=reply.prompt_tokens,
            tokens=reply.tokens,
            reused_tokens=reply.reused_tokens,
        )

    def _take(self, said: Said) -> None:
        if isinstance(said, CallStart):
            self.tool = said
            self._tell({"tool_calls": [self._tool_call(arguments="")]})
        elif self.tool is not None:
            self.arguments += said
            self._tell({"tool_calls": [{"index": 0, "function": {"arguments": said}}]})
        else:
            self.content += said
            self._tell({"content": said})

    def _tell(self, delta: Mapping[str, Any]) -> None:
        if not self.call.stream:
            return
        if not self.begun:
            # Only with the first piece: until then a refusal can still have a status of its own.
            self.begun = True
            content = "" if "content" in delta else None
            self._chunk({"role": "assistant", "content": content})
        self._chunk(delta)

    def _end_stream(self, finished: str, usage: dict[str, Any]) -> None:
        if not self.begun:
            self.begun = True
            self._chunk({"role": "assistant", "content": ""})
        # A client that did not ask for usage must hear of what was left out all the same.
        self._chunk({}, finished=finished, dropped=usage["edgekit"]["dropped"])
        if self.call.with_usage:
            self.way.tell({**self._head("chat.completion.chunk"), "choices": [], "usage": usage})

    def _chunk(
        self,
        delta: Mapping[str, Any],
        *,
        finished: str | None = None,
        dropped: Sequence[int] = (),
    ) -> None:
        chunk = {
            **self._head("chat.completion.chunk"),
            "choices": [
                {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finished}
            ],
            **({"edgekit": {"dropped": dropped}} if dropped else {}),
        }  # fmt: skip
        if self.call.with_usage:
            chunk["usage"] = None
        self.way.tell(chunk)

    def _body(self, finished: str, usage: dict[str, Any]) -> dict[str, Any]:
        message: dict[str, Any] = {"role": "assistant", "content": self.content, "refusal": None}
        if self.tool is not None:
            call = self._tool_call(arguments=self.arguments)
            del call["index"]
            message |= {"content": None, "tool_calls": [call]}
        return {
            **self._head("chat.completion"),
            "choices": [
                {"index": 0, "message": message, "logprobs": None, "finish_reason": finished}
            ],
            "usage": usage,
        }

    def _tool_call(self, *, arguments: str) -> dict[str, Any]:
        name = "" if self.tool is None else self.tool.name
        return {
            "index": 0,
            "id": f"call_{self.way.number}",
            "type": "function",
            "function": {"name": name, "arguments": arguments},
        }

    def _head(self, kind: str) -> dict[str, Any]:
        return {
            "id": f"chatcmpl-{self.way.number}",
            "object": kind,
            "created": self.way.created,
            "model": self.way.model,
            "system_fingerprint": self.call.fingerprint,
        }

    def _usage(self, reply: Reply) -> dict[str, Any]:
        return {
            "prompt_tokens": reply.prompt_tokens,
            "completion_tokens": reply.tokens,
            "total_tokens": reply.prompt_tokens + reply.tokens,
            "prompt_tokens_details": {"cached_tokens": reply.reused_tokens},
            "edgekit": {
                **counts(self.way),
                "ended": reply.ended,
                "dropped": list(self.call.asked.given(reply.dropped)),
            },
        }


def _sampling(body: Body, grammar: str | None) -> Sampling:
    temperature, seed = body.get("temperature"), body.get("seed")
    if temperature == 0 and seed is None:
        # Nothing is left to chance then; a seed says that what was read before must not matter.
        seed = 0
    stop = body.get("stop") or ()
    most = body.get("max_completion_tokens") or body.get("max_tokens")
    return Sampling(
        max_tokens=None if most is None else int(most),
        temperature=temperature,
        top_p=body.get("top_p"),
        seed=None if seed is None else int(seed),
        when_full=body.get("when_full") or "error",
        grammar=grammar,
        stop=(stop,) if isinstance(stop, str) else tuple(stop),
    )
