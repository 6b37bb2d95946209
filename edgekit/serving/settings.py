"""What a server is started with, and its limits, as plain values."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal

from edgekit.watching.rules import Rules

MIB = 1024 * 1024
LogKind = Literal["counts", "masked", "plain", "off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    body_bytes: int = 8 * MIB
    """Largest body of a request."""
    header_bytes: int = 16 * 1024
    header_seconds: float = 10.0
    """How long the headers of a request may take to arrive."""
    body_seconds: float = 30.0
    """How long a body may take to arrive."""
    idle_seconds: float = 15.0
    """How long a connection is kept without a request."""
    send_seconds: float = 60.0
    """How long a client may leave what it was sent unread."""
    connections: int = 512
    ping_seconds: float = 5.0
    """A stream that has nothing to say yet says so this often."""
    memory_seconds: float = 30.0
    """How long a request waits for memory that other models are using."""
    parts: int = 8
    """Parts of a multipart body."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    artifacts: tuple[Path, ...]
    host: str = "127.0.0.1"
    port: int = 8765
    keys: Path | None = None
    """The file of keys; None: everybody who reaches the server may ask."""
    slots: int = 1
    """Processes of a model that answers one request at a time."""
    context: int | None = None
    waiting: int = 32
    """Requests that wait at the same time, of all models together."""
    max_ram: str | None = None
    tls_cert: Path | None = None
    tls_key: Path | None = None
    log: LogKind = "counts"
    rules: Mapping[str, Rules] = field(default_factory=dict)
    """What is watched for, by the name of an artifact."""
    hosts: tuple[str, ...] = ()
    """Further names by which the server may be called."""
    origins: tuple[str, ...] = ()
    """Origins of other pages that may ask."""
    limits: Limits = field(default_factory=Limits)
