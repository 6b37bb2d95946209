from __future__ import annotations

from edgekit.samples import emails

PLAIN = b"""From: a@b
Subject: Re: [ILUG] =?iso-8859-1?q?Caf=E9?= at 5
X-Spam: no

Hello  there,


see you.
"""
MIXED = b"""Subject: Offer
MIME-Version: 1.0
Content-Type: multipart/mixed; boundary=outer

--outer
Content-Type: multipart/alternative; boundary=inner

--inner
Content-Type: text/plain; charset=utf-8
Content-Transfer-Encoding: base64

QnV5IG5vdyDigqw1
--inner
Content-Type: text/html

<b>Not this one</b>
--inner--
--outer
Content-Type: text/plain
Content-Disposition: attachment; filename=secret.txt

Nor this one
--outer--
"""
HTML = b"""Subject: Win
Content-Type: text/html; charset=nonsense

<html><head><title>no</title><style>p {color: red}</style>
<body><p>You&nbsp;won &lt;1000&gt;</p><script>no()</script><p>Click</p></body></html>
"""


def test_a_reader_sees_subject_and_body_and_no_other_header() -> None:
    assert emails.text_of(PLAIN) == "Re: [ILUG] Café at 5\nHello there,\nsee you."


def test_of_alternatives_the_plain_one_and_no_attachment() -> None:
    assert emails.text_of(MIXED) == "Offer\nBuy now €5"


def test_html_becomes_the_text_that_is_shown() -> None:
    assert emails.text_of(HTML) == "Win\nYou won <1000>\nClick"


def test_html_that_says_it_is_plain_is_html() -> None:
    text = emails.text_of(b"Subject: x\nContent-Type: text/plain\n\n<HTML><BODY>Hi<br>you</BODY>")
    assert text == "x\nHi\nyou"


def test_bytes_that_are_of_no_charset_are_still_read() -> None:
    raw = b"Subject: =?nonsense?q?a?=\nContent-Type: text/plain; charset=utf-8\n\nCaf\xe9\x00!"
    assert emails.text_of(raw).endswith("Café !")


def test_near_copies_and_threads_are_one_group() -> None:
    letter = "this is a long letter about a house in the hills that you can win today for free. "
    letter += "we found your name in a book of lucky people who like to live far from all others"
    texts = [
        f"You won\n{letter} call 555-1234",
        "Re: [list] Kernel fails\nI saw it too",
        f"You have won it\n{letter} call 666-9999 now",
        "kernel 2.4 fails\nIt does not boot",
        "Lunch\nAt noon as ever, in the usual place by the river",
    ]
    assert emails.group(texts) == [0, 1, 0, 1, 4]


def test_what_has_no_subject_is_no_thread() -> None:
    assert emails.group(["Re:\none", "Re:\ntwo", "12\nthree"]) == [0, 1, 2]
