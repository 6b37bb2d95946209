"""Four looks: calm dark, paper light, high contrast, and one that needs no colour at all."""

from __future__ import annotations

from textual.theme import Theme

PLAIN = "plain"

_DARK = Theme(
    name="dark",
    primary="#8fd3b6",
    secondary="#5f8fa8",
    accent="#f0b866",
    warning="#f0b866",
    error="#f07178",
    success="#8fd3b6",
    foreground="#dde3ea",
    background="#12161b",
    surface="#1a2028",
    panel="#232b35",
    dark=True,
    variables={
        "block-cursor-background": "#2c3947",
        "block-cursor-foreground": "#f4f7fa",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#1f2731",
        "block-cursor-blurred-foreground": "#dde3ea",
        "block-cursor-blurred-text-style": "none",
        "block-hover-background": "#222b35",
        "scrollbar": "#2c3947",
        "scrollbar-background": "#12161b",
        "scrollbar-corner-color": "#12161b",
        "muted": "#9aa7b6",
        "key": "#f0b866",
        "track": "#26303b",
    },
)

_LIGHT = Theme(
    name="light",
    primary="#14694b",
    secondary="#2f6b8a",
    accent="#8f4d00",
    warning="#8f4d00",
    error="#b3261e",
    success="#14694b",
    foreground="#22272e",
    background="#fbf9f5",
    surface="#f2efe8",
    panel="#e7e3d9",
    dark=False,
    variables={
        "block-cursor-background": "#d8e6dd",
        "block-cursor-foreground": "#11331f",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#ece9e0",
        "block-cursor-blurred-foreground": "#22272e",
        "block-cursor-blurred-text-style": "none",
        "block-hover-background": "#e9e5db",
        "scrollbar": "#cfc9bb",
        "scrollbar-background": "#fbf9f5",
        "scrollbar-corner-color": "#fbf9f5",
        "muted": "#5d6672",
        "key": "#8f4d00",
        "track": "#dfdacd",
    },
)

_CONTRAST = Theme(
    name="contrast",
    primary="#ffff00",
    secondary="#00ffff",
    accent="#ffff00",
    warning="#ffd75f",
    error="#ffcccc",
    success="#00ff87",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#1c1c1c",
    dark=True,
    variables={
        # Words keep their own colours on it, and it is seen on black (3:1) all the same.
        "block-cursor-background": "#0054cc",
        "block-cursor-foreground": "#ffffff",
        "block-cursor-text-style": "bold",
        "block-cursor-blurred-background": "#303030",
        "block-cursor-blurred-foreground": "#ffffff",
        "block-cursor-blurred-text-style": "none",
        "block-hover-background": "#303030",
        "scrollbar": "#ffffff",
        "scrollbar-background": "#000000",
        "scrollbar-corner-color": "#000000",
        "muted": "#dcdcdc",
        "key": "#ffff00",
        "track": "#444444",
    },
)

_PLAIN = Theme(
    name=PLAIN,
    primary="#ffffff",
    secondary="#ffffff",
    accent="#ffffff",
    warning="#ffffff",
    error="#ffffff",
    success="#ffffff",
    foreground="#ffffff",
    background="#000000",
    surface="#000000",
    panel="#000000",
    dark=True,
    variables={
        # Light backgrounds become reverse video (filters.NoColour).
        "block-cursor-background": "#ffffff",
        "block-cursor-foreground": "#000000",
        "block-cursor-text-style": "none",
        "block-cursor-blurred-background": "#000000",
        "block-cursor-blurred-foreground": "#ffffff",
        "block-cursor-blurred-text-style": "bold",
        "block-hover-background": "#000000",
        "scrollbar": "#ffffff",
        "scrollbar-background": "#000000",
        "scrollbar-corner-color": "#000000",
        "muted": "#ffffff",
        "key": "#ffffff",
        "track": "#000000",
    },
)

THEMES = (_DARK, _LIGHT, _CONTRAST, _PLAIN)
