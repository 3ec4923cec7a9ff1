"""Other people's words inside a prompt: data, never part of the question."""

from __future__ import annotations

import re
from html import unescape

MARKS = re.compile(
    r"<\|.*?\|>|<\|?|\|>|\[/?INST\]|</?s>|[\x00-\x1f\x7f-\x9f`]"
    r"|[\xad\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0e\ufeff\ud800-\udfff\U000e0000-\U000e0fff]"  # invisible, or half of a character
)
QUOTES = re.compile("[\"“”„‟«»″＂〝-〟❝❞]")


def quoted(text: object, most: int = 60) -> str:
    """A title as data: on one line, in quotation marks that it cannot close, without a chat's control marks and without invisible characters, cut at ``most`` characters."""
    plain = unescape(text[: 20 * most]) if isinstance(text, str) else ""
    clean = " ".join(QUOTES.sub("'", MARKS.sub(" ", plain)).split())
    clean = clean if len(clean) <= most else clean[: most - 1].rstrip() + "…"
    return f'"{clean}"' if clean else '"(no title)"'
