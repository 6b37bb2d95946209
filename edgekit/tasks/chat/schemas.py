"""The JSON Schemas of what a chat model is asked over HTTP, and answers. Checks nothing itself."""

from __future__ import annotations

from typing import Any

from edgekit.tasks.classification.routes import ABSTAIN_BELOW
from edgekit.tasks.routes import COUNTS, INPUT, Schema

MOST_MESSAGES = 2048
MOST_TOOLS = 128
MOST_STOPS = 16

_TEXT_PART = {
    "type": "object",
    "properties": {"type": {"const": "text"}, "text": {"type": "string"}},
    "required": ["type", "text"],
    "additionalProperties": False,
}
_CONTENT = {"anyOf": [{"type": ["string", "null"]}, {"type": "array", "items": _TEXT_PART}]}
_FUNCTION_NAME = {"type": "string", "pattern": "^[a-zA-Z0-9_-]{1,64}$"}
_TOOL_CALL = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "type": {"const": "function"},
        "index": {"type": "integer"},
        "function": {
            "type": "object",
            "properties": {"name": _FUNCTION_NAME, "arguments": {"type": "string"}},
            "required": ["name", "arguments"],
        },
    },
    "required": ["function"],
}
_MESSAGE = {
    "type": "object",
    "properties": {
        "role": {"enum": ["system", "developer", "user", "assistant", "tool"]},
        "content": _CONTENT,
        "name": {"type": ["string", "null"], "description": "not read by the model"},
        "refusal": {"type": "null"},
        "audio": {"type": "null"},
        "function_call": {"type": "null"},
        "annotations": {"type": ["array", "null"], "maxItems": 0},
        "tool_calls": {"type": ["array", "null"], "items": _TOOL_CALL, "maxItems": MOST_TOOLS},
        "tool_call_id": {"type": ["string", "null"]},
    },
    "required": ["role"],
    "additionalProperties": False,
}
_TOOL = {
    "type": "object",
    "properties": {
        "type": {"const": "function"},
        "function": {
            "type": "object",
            "properties": {
                "name": _FUNCTION_NAME,
                "description": {"type": ["string", "null"]},
                "parameters": {"type": ["object", "null"]},
                "strict": {"type": ["boolean", "null"]},
            },
            "required": ["name"],
            "additionalProperties": False,
        },
    },
    "required": ["type", "function"],
    "additionalProperties": False,
}
_TOOL_CHOICE = {
    "anyOf": [
        {"enum": ["none", "auto", "required", None]},
        {
            "type": "object",
            "properties": {
                "type": {"const": "function"},
                "function": {
                    "type": "object",
                    "properties": {"name": _FUNCTION_NAME},
                    "required": ["name"],
                    "additionalProperties": False,
                },
            },
            "required": ["type", "function"],
            "additionalProperties": False,
        },
    ]
}
_RESPONSE_FORMAT = {
    "type": ["object", "null"],
    "properties": {
        "type": {"enum": ["text", "json_object", "json_schema"]},
        "json_schema": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "description": {"type": ["string", "null"]},
                "schema": {"type": "object"},
                "strict": {"type": ["boolean", "null"]},
            },
            "required": ["name"],
            "additionalProperties": False,
        },
    },
    "required": ["type"],
    "additionalProperties": False,
    "if": {"properties": {"type": {"const": "json_schema"}}, "type": "object"},
    "then": {"required": ["json_schema"]},
}


def _number(kind: str, low: float, high: float) -> dict[str, Any]:
    return {"type": [kind, "null"], "minimum": low, "maximum": high}


def _only(*values: Any) -> dict[str, Any]:
    """A field of OpenAI's that would change nothing here with these values."""
    return {"enum": [*values, None], "description": "anything else has no meaning here"}


COMPLETION: Schema = {
    "type": "object",
    "properties": {
        "model": {"type": "string"},
        "messages": {"type": "array", "items": _MESSAGE, "minItems": 1, "maxItems": MOST_MESSAGES},
        "stream": {"type": ["boolean", "null"]},
        "stream_options": {
            "type": ["object", "null"],
            "properties": {
                "include_usage": {"type": ["boolean", "null"]},
                "include_obfuscation": _only(False),
            },
            "additionalProperties": False,
        },
        "max_tokens": _number("integer", 1, 1_000_000),
        "max_completion_tokens": _number("integer", 1, 1_000_000),
        "temperature": _number("number", 0, 2),
        "top_p": {"type": ["number", "null"], "exclusiveMinimum": 0, "maximum": 1},
        "seed": _number("integer", 0, 2**32 - 2),
        "stop": {
            "anyOf": [
                {"type": ["string", "null"], "minLength": 1, "maxLength": 1000},
                {
                    "type": "array",
                    "items": {"type": "string", "minLength": 1, "maxLength": 1000},
                    "maxItems": MOST_STOPS,
                },
            ]
        },
        "response_format": _RESPONSE_FORMAT,
        "tools": {"type": ["array", "null"], "items": _TOOL, "maxItems": MOST_TOOLS},
        "tool_choice": _TOOL_CHOICE,
        "parallel_tool_calls": {
            "type": ["boolean", "null"],
            "description": "an answer calls one tool at most",
        },
        "user": {"type": ["string", "null"], "description": "not read"},
        "safety_identifier": {"type": ["string", "null"], "description": "not read"},
        "prompt_cache_key": {"type": ["string", "null"], "description": "not read"},
        "when_full": {
            "enum": ["error", "drop_oldest", None],
            "description": "what happens to a conversation that is longer than the context: a 400, "
            "or its oldest turns are left out and usage.edgekit.dropped names them",
        },
        "n": _only(1),
        "store": _only(False),
        "logprobs": _only(False),
        "frequency_penalty": _only(0),
        "presence_penalty": _only(0),
        "logit_bias": {"type": ["object", "null"], "maxProperties": 0},
        "modalities": {"enum": [["text"], None]},
        "service_tier": _only("auto", "default"),
    },
    "required": ["messages"],
    "additionalProperties": False,
}

COMPLETED: Schema = {
    "type": "object",
    "properties": {
        "id": {"type": "string"},
        "object": {"const": "chat.completion"},
        "created": {"type": "integer"},
        "model": {"type": "string"},
        "system_fingerprint": {"type": "string"},
        "choices": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "index": {"const": 0},
                    "message": {
                        "type": "object",
                        "properties": {
                            "role": {"const": "assistant"},
                            "content": {"type": ["string", "null"]},
                            "tool_calls": {"type": "array", "items": _TOOL_CALL},
                        },
                        "required": ["role", "content"],
                    },
                    "finish_reason": {"enum": ["stop", "length", "tool_calls"]},
                },
                "required": ["index", "message", "finish_reason"],
            },
            "minItems": 1,
            "maxItems": 1,
        },
        "usage": {
            "type": "object",
            "properties": {
                "prompt_tokens": {"type": "integer"},
                "completion_tokens": {"type": "integer"},
                "total_tokens": {"type": "integer"},
                "edgekit": {
                    "allOf": [COUNTS],
                    "properties": {
                        "ended": {"enum": ["stop", "max_tokens", "context", "cancelled"]},
                        "dropped": {"type": "array", "items": {"type": "integer"}},
                    },
                    "required": ["ended", "dropped"],
                },
            },
            "required": ["prompt_tokens", "completion_tokens", "total_tokens", "edgekit"],
        },
    },
    "required": ["id", "object", "created", "model", "choices", "usage"],
}

_MODEL = {"model": {"type": "string"}}
_INSTRUCTION = {
    "type": ["string", "null"],
    "minLength": 1,
    "description": "in place of the sentence that says what to do",
}

LABELS: Schema = {
    "type": "object",
    "properties": {
        **_MODEL,
        "input": INPUT,
        "labels": {
            "type": "array",
            "items": {"type": "string", "minLength": 1, "maxLength": 200},
            "minItems": 2,
            "maxItems": 64,
        },
        "instruction": _INSTRUCTION,
        "abstain_below": ABSTAIN_BELOW,
    },
    "required": ["input", "labels"],
    "additionalProperties": False,
}

FIELDS: Schema = {
    "type": "object",
    "properties": {
        **_MODEL,
        "input": {"type": "string", "minLength": 1, "pattern": "\\S"},
        "schema": {"type": "object", "description": "a JSON Schema of the fields"},
        "instruction": _INSTRUCTION,
        "max_tokens": _number("integer", 1, 1_000_000),
    },
    "required": ["input", "schema"],
    "additionalProperties": False,
}
FOUND: Schema = {
    "type": "object",
    "properties": {
        "object": {"const": "edgekit.fields"},
        "model": {"type": "string"},
        "data": {"description": "fits the schema of the request"},
        "usage": {"type": "object"},
    },
    "required": ["object", "model", "data", "usage"],
}

TEXT_OR_TALK: Schema = {
    "type": "object",
    "properties": {
        **_MODEL,
        "input": {
            "anyOf": [
                {"type": "string"},
                {"type": "array", "items": _MESSAGE, "minItems": 1, "maxItems": MOST_MESSAGES},
            ]
        },
        "ids": {
            "type": ["boolean", "null"],
            "description": "whether the tokens themselves are given, too",
        },
    },
    "required": ["input"],
    "additionalProperties": False,
}
COUNTED: Schema = {
    "type": "object",
    "properties": {
        "object": {"const": "edgekit.tokens"},
        "model": {"type": "string"},
        "count": {"type": "integer"},
        "ids": {"type": "array", "items": {"type": "integer"}},
        "context": {"type": "integer"},
    },
    "required": ["object", "model", "count", "context"],
}
