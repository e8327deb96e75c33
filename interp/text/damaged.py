"""Text that was damaged before it came here: bytes decoded in another encoding, lost letters, entities of HTML.

Nothing is repaired: which letters stood there cannot be known for sure, and a model's answer rests on them.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from itertools import chain

from interp.files.checks import short_repr
from interp.text.corpus import ParallelCorpus, ParallelTask

DAMAGED = "texts are damaged"
"""What a note says of such texts."""
_REST = "\x80-\xbf€‚ƒ„…†‡ˆ‰Š‹ŒŽ‘’“”•–—˜™š›œžŸ"
"""Bytes 0x80 to 0xBF, which follow the first of a letter in UTF-8, as Latin-1 and Windows-1252 show them."""
_WINDOWS_1251 = "ЂЃ‚ѓ„…†‡€‰Љ‹ЊЌЋЏђ‘’“”•–—™љ›њќћџ\xa0ЎўЈ¤Ґ¦§Ё©Є«¬\xad®Ї°±Ііґµ¶·ё№є»јЅѕї"
"""The same as Windows-1251 shows them."""
_WRONG = re.compile(
    "(?=[�锟Â-ïðРС\x80-\x9f])(?:"  # how any of them begins
    "�|锟斤拷|ï¿½|ï»¿"  # what stands for a letter that was lost, and a byte order mark
    r"|[ÄÅ][\xa1-\xaa\xac-\xba\xbc-\xbf€‚ƒ„†‡ˆ‰Š‹ŒŽ•˜™š]"  # č, ł, ę
    rf"|Ã[\xa1-ºž¼-¿€‚ƒ„†‡ˆ‰Š‹ŒŽ‘“•˜™š]|Â[\xa0-º¼-¿]|â€[{_REST}]|ðŸ[{_REST}]"  # é, °, ’ and emoji
    rf"|(?:[Â-ß][{_REST}]|[à-ï][{_REST}]{{2}}|ð[{_REST}]{{3}}){{2}}|(?:[РС][{_WINDOWS_1251}]){{2}}"  # letters of any script
    "|[\x80-\x84\x86-\x9f])"  # the quotes and dashes of Windows-1252, read as Latin-1
)
_ENTITY = re.compile(r"&(?:amp|quot|apos|lt|gt|nbsp|#\d{2,6}|#x[\da-fA-F]{2,5});")
_AROUND = 12


def damage(text: ParallelCorpus | ParallelTask) -> dict[str, str]:
    """What is damaged in each language of a `text`, in words with a number and an example; nothing of a language that is whole.

    Example
    -------
    >>> from interp.text.corpus import ParallelCorpus
    >>> damage(ParallelCorpus("pets", {"eng_Latn": ("a rook",), "deu_Latn": ("eine KrÃ¤he",)}))["deu_Latn"]
    "1 of 1 texts are damaged, such as 'eine KrÃ¤he' (item '0'): decoded in another encoding than their own"
    """
    found: dict[str, str] = {}
    for code, own in _texts(text).items():
        for pattern, what in ((_WRONG, "decoded in another encoding than their own"), (_ENTITY, "with entities of HTML")):
            wrong = [n for n, each in enumerate(own) if pattern.search(each)]
            if wrong:
                example = f"such as {short_repr(_part(own[wrong[0]], pattern))} (item {short_repr(text.ids[wrong[0]])})"
                found[code] = f"{len(wrong)} of {len(own)} {DAMAGED}, {example}: {what}"
                break
    return found


def _texts(text: ParallelCorpus | ParallelTask) -> Mapping[str, Sequence[str]]:
    """All that is written for each item, by language: the sentence, or the prompt with its options and answers."""
    if isinstance(text, ParallelCorpus):
        return text.sentences
    rest = {code: (text.answers[code], text.choices.get(code, ())) for code in text.languages}
    return {
        code: ["\n".join(chain([prompt], *each)) for prompt, *each in zip(own, *filter(None, rest[code]), strict=True)]
        for code, own in text.prompts.items()
    }


def _part(text: str, pattern: re.Pattern[str]) -> str:
    """The part of a `text` around what a `pattern` finds in it."""
    found = pattern.search(text)
    start, end = found.span() if found else (0, 0)
    return " ".join(text[max(0, start - _AROUND) : end + _AROUND].split())
