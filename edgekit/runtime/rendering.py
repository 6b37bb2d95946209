"""From messages to the text that a model was trained on, by its chat template. Knows no tokens.

Templates are untrusted Jinja programs that come with a model. They run as in Hugging Face
(transformers' `apply_chat_template`: the same settings, filters and names), in Jinja's immutable
sandbox, and within limits on lines, time, memory and size. Where untrusted code must not even share
this process's memory, call `render` in a subprocess.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from functools import lru_cache
from typing import Any

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError

from edgekit.data.conversation import DAY
from edgekit.errors import TemplateError
from edgekit.runtime.limits import LimitReached, limited

MAX_TEMPLATE_CHARACTERS = 200_000
MAX_GROWTH = 64
"""Most characters of a rendered conversation for each character of its messages and template."""
_MAX_NUMBER_BITS = 4096


NO_TEMPLATE = (
    "the data has conversations ('messages'), and the model has no chat template; put its authors' "
    "template into the checkpoint as chat_template.jinja, or give texts ('text')."
)


def render_row(
    template: str,
    messages: Sequence[Mapping[str, Any]],
    *,
    bos: str,
    eos: str,
    answer_next: bool = False,
) -> str:
    """A conversation of the data, rendered the same on every day; with `answer_next` up to where
    the model's answer begins."""
    return render(template, messages, bos=bos, eos=eos, add_generation_prompt=answer_next, now=DAY)


def render(
    template: str,
    messages: Sequence[Mapping[str, Any]],
    *,
    bos: str,
    eos: str,
    add_generation_prompt: bool = True,
    now: datetime | None = None,
) -> str:
    """The conversation as text, special tokens included.

    `bos` and `eos` are the texts of these tokens, empty if there are none. `now` is the date and
    time that the template sees; by default the clock's. Raises TemplateError for a template that
    is not valid Jinja, refuses the messages, or exceeds a limit.
    """
    if len(template) > MAX_TEMPLATE_CHARACTERS:
        raise TemplateError(
            f"The chat template has {len(template):,} characters and {MAX_TEMPLATE_CHARACTERS:,} "
            "are the most; use the template that the model's authors published."
        )
    told = [dict(message) for message in messages]
    most = MAX_GROWTH * (len(template) + sum(len(json.dumps(message)) for message in told))
    try:
        with limited():
            return _render(
                template, told, bos, eos, add_generation_prompt, now or datetime.now(), most
            )
    except LimitReached as error:
        raise _too_much(str(error)) from None
    except (MemoryError, RecursionError) as error:
        raise _too_much("it takes too much memory") from error
    except SecurityError as error:
        raise TemplateError(
            f"The chat template does what no template may ({error}); use the template that the "
            "model's authors published."
        ) from error
    except _Refused as error:
        raise TemplateError(
            f"The model's chat template refuses these messages ({error}); see which roles it "
            "knows and in what order."
        ) from error
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(
            f"The chat template is not valid in line {error.lineno} ({error.message}); use the "
            "template that the model's authors published."
        ) from error
    except Exception as error:  # a template can raise anything
        raise TemplateError(
            f"The chat template fails on these messages ({type(error).__name__}: {error}); see "
            "which roles it knows, or use the template that the model's authors published."
        ) from error


def literals(template: str) -> list[str]:
    """Every text that the template itself may write, even in branches that few messages reach.

    Raises TemplateError for a template that is not valid Jinja.
    """
    try:
        with limited():
            tree = _environment().parse(template)
            found = [one.value for one in tree.find_all(nodes.Const)]
            found += [one.data for one in tree.find_all(nodes.TemplateData)]
    except LimitReached as error:
        raise _too_much(str(error)) from None
    except jinja2.TemplateSyntaxError as error:
        raise TemplateError(
            f"The chat template is not valid in line {error.lineno} ({error.message}); use the "
            "template that the model's authors published."
        ) from error
    return list(dict.fromkeys(one for one in found if isinstance(one, str) and one))


def _render(
    template: str,
    messages: list[dict[str, Any]],
    bos: str,
    eos: str,
    add_generation_prompt: bool,
    now: datetime,
    most: int,
) -> str:
    pieces, size = [], 0
    for piece in _compiled(template).generate(
        strftime_now=now.strftime,
        messages=messages,
        tools=None,
        documents=None,
        add_generation_prompt=add_generation_prompt,
        bos_token=bos,
        eos_token=eos,
    ):
        size += len(piece)
        if size > most:
            raise LimitReached("it writes too much")
        pieces.append(piece)
    return "".join(pieces)


@lru_cache(maxsize=4)
def _compiled(template: str) -> jinja2.Template:
    """Within the limits, like everything that is done with a template."""
    return _environment().from_string(template)


class _Refused(Exception):
    """The template's own complaint about the messages."""


class _Generation(Extension):
    """`{% generation %}…{% endgeneration %}` marks what to train on; here it changes nothing."""

    tags = {"generation"}  # noqa: RUF012  # as Jinja declares it

    def parse(self, parser: Parser) -> nodes.Node | list[nodes.Node]:
        next(parser.stream)
        return list(parser.parse_statements(("name:endgeneration",), drop_needle=True))


class _Environment(ImmutableSandboxedEnvironment):
    """Numbers stay small: a product of huge ones would take hours in a single call."""

    intercepted_binops = frozenset({"*", "**"})

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:
        if isinstance(left, int) and isinstance(right, int):
            bits = left.bit_length() * (right if operator == "**" else 1) + right.bit_length()
            if bits > _MAX_NUMBER_BITS:
                raise SecurityError("it computes with huge numbers")
        return super().call_binop(context, operator, left, right)


def _environment() -> _Environment:
    found = _Environment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    found.filters["tojson"] = _tojson
    found.globals["raise_exception"] = _raise_exception
    return found


def _raise_exception(message: object) -> None:
    raise _Refused(message)


def _tojson(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Not Jinja's own filter, which escapes for HTML."""
    return json.dumps(
        value,
        ensure_ascii=ensure_ascii,
        indent=indent,
        separators=separators,
        sort_keys=sort_keys,
    )


def _too_much(why: str) -> TemplateError:
    return TemplateError(
        f"The chat template was stopped ({why}); use the template that the model's authors "
        "published."
    )
