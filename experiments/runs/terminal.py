"""Print untrusted text on a terminal without its control characters."""

from __future__ import annotations

import unicodedata


def printable(text: str) -> str:
    """The text with every control character as its escape: one may colour the screen, move the cursor or type a command."""
    return "".join(character if _harmless(character) else repr(character)[1:-1] for character in text)


def _harmless(character: str) -> bool:
    """Whether a terminal only draws it. Direction overrides are refused, as they make a line read as what it is not."""
    return unicodedata.category(character) not in ("Cc", "Cs") and character not in "\u202d\u202e\u2028\u2029"
