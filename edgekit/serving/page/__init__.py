"""The page for people: one file, and the policy that lets the browser run nothing but it."""

from __future__ import annotations

import base64
import re
from functools import cache
from hashlib import sha256
from importlib.resources import files


@cache
def html() -> bytes:
    return (files(__name__) / "index.html").read_bytes()


@cache
def policy(page: bytes) -> str:
    """A Content-Security-Policy that names the page's own script and style by their hashes."""
    script, style = (_hash(page, tag) for tag in (b"script", b"style"))
    return (
        f"default-src 'none'; script-src '{script}'; style-src '{style}'; connect-src 'self'; "
        "img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )


def _hash(page: bytes, tag: bytes) -> str:
    [body] = re.findall(b"<%b>(.*?)</%b>" % (tag, tag), page, re.DOTALL)
    return f"sha256-{base64.b64encode(sha256(body).digest()).decode()}"
