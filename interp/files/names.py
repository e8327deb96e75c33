"""A file name that every system takes, made of any text."""

from __future__ import annotations

import re

_RESERVED = re.compile(r"(?:con|prn|aux|nul|com[0-9¹²³]|lpt[0-9¹²³]|conin\$|conout\$)(?=\.|$)", re.IGNORECASE)
"""Names that Windows keeps for devices, with any ending."""


def file_name(text: str, most: int = 80) -> str:
    """The name of a file for a `text` such as a label of the data, at most `most` characters long.

    Letters and digits of every script, and `_ . + -`, are kept; all else, such as `> : ? / *` and spaces, becomes `-`. A name that
    Windows would alter (it drops points and spaces at the end) or take for a device (con, nul) is changed; an empty one is "_".
    Two texts may get one name.

    >>> file_name("eng_Latn>deu_Latn: who?"), file_name("con.svg"), file_name("end. ")
    ('eng_Latn-deu_Latn-who', '_con.svg', 'end')
    """
    name = re.sub(r"[^\w.+-]+", "-", text)[:most].rstrip(".-") or "_"
    return f"_{name}"[:most] if _RESERVED.match(name) else name
