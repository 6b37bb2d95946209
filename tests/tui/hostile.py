"""Thirty texts that a careless program would let command a terminal."""

from __future__ import annotations

HOSTILE = (
    "\x1b[2J",  # clear the screen
    "\x1b[H\x1b[J",
    "\x1b]0;SECRET\x07",  # the window's title
    "\x1b]2;SECRET\x1b\\",
    "\x1b]52;c;U0VDUkVU\x07",  # the clipboard
    "\x1b]52;c;SECRET",  # without an end
    "\x1b]8;;http://SECRET\x1b\\link\x1b]8;;\x1b\\",
    "\x1b]1337;File=SECRET\x07",
    "\x1b]777;notify;SECRET\x07",
    "\x1bPSECRET\x1b\\",  # DCS
    "\x1bP$qSECRET\x1b\\",
    "\x1b_SECRET\x1b\\",  # APC
    "\x1b^SECRET\x1b\\",  # PM
    "\x1bXSECRET\x1b\\",  # SOS
    "\x9b2J",  # the same in 8 bits
    "\x9d0;SECRET\x9c",
    "\x90SECRET\x9c",
    "\x9fSECRET\x9c",
    "\x9eSECRET\x9c",
    "\x98SECRET\x9c",
    "\x1b[6n",  # asks the terminal, which types the answer
    "\x1b[c",
    "\x1b[21t",
    "\x1b[?1049l",  # leaves the alternate screen
    "\x1b[?1003h",
    "\x1bc",  # resets the terminal
    "\x1b#8",
    "\x1b(0",
    "\a\b\b\b\x7f\x0e\x0f\x05",
    "\u202egnp.exe\u2066\u2069",  # turns what follows
    "\udcff\ud800",  # half a character
    "\x1b[31;1m[/x][@click=app.quit]red[/]",
)
