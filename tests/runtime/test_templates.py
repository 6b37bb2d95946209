"""Templates as Hugging Face renders them; programs that others wrote, and what they may not do."""

from __future__ import annotations

import resource
import sys
from datetime import datetime

import pytest
from transformers.utils.chat_template_utils import render_jinja_template

from edgekit.errors import TemplateError
from edgekit.runtime import limits
from edgekit.runtime.rendering import render

CHATML = (
    "{% for message in messages %}{% if loop.first and messages[0]['role'] != 'system' %}"
    "{{ '<|im_start|>system\nYou are helpful<|im_end|>\n' }}{% endif %}"
    "{{'<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + '\n'}}"
    "{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
LLAMA = (
    "{{ bos_token }}\n{%- for message in messages %}\n"
    "    {%- if (message['role'] == 'user') != (loop.index0 % 2 == 0) %}\n"
    "        {{- raise_exception('Conversation roles must alternate') }}\n    {%- endif %}\n"
    "    {%- if message['role'] == 'user' %}\n        {{- '[INST] ' ~ message['content'] | trim ~ "
    "' [/INST]' }}\n    {%- else %}\n    {% generation %}{{- ' ' ~ message['content'] }}"
    "{{ eos_token }}{% endgeneration %}\n    {%- endif %}\n{%- endfor %}"
)
ODD = (
    "{% set ns = namespace(last=none) %}{% for m in messages[::-1] %}{% if m.role == 'tool' %}"
    "{% continue %}{% endif %}{% set ns.last = m %}{% break %}{% endfor %}"
    "{{ ns.last | tojson }}{{ messages | tojson(indent=2) }}{{ tools is none }}"
    "{% if not undefined_name is defined %}{{ undefined_name }}{% endif %}"
)
TALKS = [
    [{"role": "user", "content": " Hi <b>&amp;</b> 'there' "}],
    [{"role": "user", "content": "你好"}, {"role": "assistant", "content": "नमस्ते"},
     {"role": "user", "content": ""}],
]  # fmt: skip


@pytest.mark.parametrize("template", [CHATML, LLAMA, ODD], ids=["chatml", "llama", "odd"])
@pytest.mark.parametrize("talk", TALKS, ids=["one", "three"])
@pytest.mark.parametrize("prompt", [True, False])
def test_a_conversation_is_rendered_as_hugging_face_does(
    template: str, talk: list[dict[str, str]], prompt: bool
) -> None:
    (wanted,), _ = render_jinja_template(
        [talk], chat_template=template, add_generation_prompt=prompt,
        bos_token="<s>", eos_token="</s>",
    )  # fmt: skip
    found = render(template, talk, bos="<s>", eos="</s>", add_generation_prompt=prompt)
    assert found == wanted


def test_the_day_is_the_clocks_unless_told() -> None:
    template = "{{ strftime_now('%d %b %Y') }}"
    told = datetime(2024, 7, 26)
    assert render(template, [], bos="", eos="", now=told) == told.strftime("%d %b %Y")
    assert str(datetime.now().year) in render(template, [], bos="", eos="")


@pytest.mark.parametrize(
    ("template", "said"),
    [
        (LLAMA, "roles must alternate"),
        ("{% for %}", "line 1"),
        ("\n{{ 'open }}", "line 2"),
        ("{{ messages[0].content.nothing.at_all }}", "Undefined"),
        ("{{ 'a' + 1 }}", "TypeError"),
        ("x" * 300_000, "300,000 characters"),
    ],
)
def test_a_fault_is_a_sentence(template: str, said: str) -> None:
    talk = [{"role": "assistant", "content": "first"}]
    with pytest.raises(TemplateError, match=said):
        render(template, talk, bos="", eos="")


@pytest.mark.parametrize(
    "template",
    [
        "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
        "{% macro f() %}{{ f() }}{{ f() }}{% endmacro %}{{ f() }}",
        "{% set n = namespace(x='ab') %}{% for i in range(60) %}{% set n.x = n.x ~ n.x %}"
        "{% endfor %}{{ n.x | length }}",
        "{% set n = namespace(x=[1]) %}{% for i in range(60) %}{% set n.x = n.x + n.x %}"
        "{% endfor %}{{ n.x | length }}",
        "{{ 'x' * 10000000000 }}",
        "{{ 'x' | center(10000000000) }}",
        "{{ '%10000000000d' % 1 }}",
        "{{ '{:>10000000000}'.format(1) }}",
        "{{ range(10000000000) | list }}",
        "{{ 9 ** (9 ** 9) }}",
        "{% set n = namespace(x=9**99) %}{% for i in range(99) %}{% set n.x = n.x * n.x %}"
        "{% endfor %}{{ n.x }}",
        "{% for i in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
        "{{ ''.__class__.__mro__ }}",
        "{{ messages.append(1) }}",
        "{{ " + "(" * 5000 + ")" * 5000 + " }}",
    ],
)
def test_what_takes_too_much_is_stopped(template: str) -> None:
    before = resource.getrlimit(resource.RLIMIT_AS)
    with pytest.raises(TemplateError):
        render(template, [], bos="", eos="")
    assert resource.getrlimit(resource.RLIMIT_AS) == before
    assert sys.gettrace() is None


def test_a_template_cannot_catch_its_end() -> None:
    def never_ends() -> None:
        while True:
            try:
                sum([])
            except Exception:
                continue

    with pytest.raises(limits.LimitReached, match="lines"), limits.limited(lines=1000):
        never_ends()
    with pytest.raises(limits.LimitReached, match="long"), limits.limited(seconds=0.01):
        never_ends()
