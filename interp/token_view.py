"""The tokens of a text in colour, as HTML that a notebook shows: a value each, the ids on hover, every script as it is read."""

from __future__ import annotations

import html
import math
import unicodedata
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, cast

from interp.files.atomic import write_text
from interp.models.tokens import read_texts

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

    from interp.models.load import TransformerBridge

_JOINERS = "\u200c\u200d"
_POSITIVE, _NEGATIVE, _PLAIN = (0, 114, 178), (213, 94, 0), ((226, 236, 244), (246, 232, 214))
_BOX = (
    "font:1.05em/2.1 system-ui,'Noto Sans',sans-serif;background:#fff;color:#222;padding:.6em .8em;max-width:60em;"
    "overflow-wrap:anywhere"
)
_SIGNS = {" ": "␣", "\n": "⏎", "\t": "⇥"}


@dataclass(frozen=True)
class TokenView:
    """The tokens of a text; shown as HTML by a notebook, `html` as text, written by `save`.

    Attributes
    ----------
    tokens
        What each token is, as the tokenizer names it.
    ids
        Its id.
    values
        Its value; NaN for a token without one, empty where none were given.
    html
        What is shown: no script, no widget, nothing to fetch.
    """

    tokens: tuple[str, ...]
    ids: tuple[int, ...]
    values: tuple[float, ...]
    html: str

    def __repr__(self) -> str:
        return f"TokenView: {len(self.ids)} tokens: {' '.join(self.tokens[:8])}{' ...' if len(self.ids) > 8 else ''}"

    def _repr_html_(self) -> str:
        return self.html

    def save(self, path: str | Path) -> Path:
        """Write the view as a page to `path`, which is returned."""
        page = f'<!DOCTYPE html><html lang="en"><meta charset="utf-8"><title>Tokens</title><body>{self.html}</body></html>'
        write_text(Path(path), page)
        return Path(path)


def show_tokens(
    model: TransformerBridge | PreTrainedTokenizerBase,
    text: str,
    values: Sequence[float] | None = None,
    label: str = "value",
) -> TokenView:
    """How a model cuts a text into tokens, and a value for each: a loss, a norm, an activation.

    The text stays whole, so that Arabic letters join and vowel signs stand on their letters. Tokens that share a letter, as pieces
    of bytes do, are one patch of colour with all their ids on hover.

    Parameters
    ----------
    model
        A model from `interp.load`, or its tokenizer: a fast one, which knows the characters of each token.
    text
        Any text.
    values
        One for each token, with those that the tokenizer adds; NaN for none. Blue is positive, orange negative, and the strongest
        has the full colour. Default: tokens alternate in two tints.
    label
        What the values are.

    Raises
    ------
    ValueError
        The tokenizer is slow, or the number of values is not that of the tokens.

    Example
    -------
    >>> import interp
    >>> view = interp.show_tokens(interp.load("bundled"), "Deutschland")
    >>> "".join(view.tokens)
    '<s>Deutschland'
    """
    tokenizer = cast("PreTrainedTokenizerBase", getattr(model, "tokenizer", model))
    if not tokenizer.is_fast:
        raise ValueError(f"got a {type(tokenizer).__name__}, expected a fast tokenizer, which gives the characters of each token.")
    read = read_texts(tokenizer, [text], offsets=True)[0]
    tokens = tuple(str(token) for token in tokenizer.convert_ids_to_tokens(read.ids))
    numbers = tuple(float(value) for value in values) if values is not None else ()
    if values is not None and len(numbers) != len(tokens):
        raise ValueError(f"got {len(numbers)} values, expected one for each of the {len(tokens)} tokens: {' '.join(tokens[:12])}")
    patches = _patches(text, read.offsets or [], range(len(tokens)))
    strongest = max((abs(number) for number in numbers if math.isfinite(number)), default=0.0)
    spans = []
    for turn, (part, members) in enumerate(patches):
        told = "\n".join(_told(tokens[k], read.ids[k], numbers[k] if numbers else None, label) for k in members)
        own = [numbers[k] for k in members if numbers and math.isfinite(numbers[k])]
        back = _tint(sum(own) / len(own), strongest) if own else _PLAIN[turn % 2] if not numbers else (255, 255, 255)
        shown = html.escape(part) if part.strip() else html.escape("".join(_SIGNS.get(c, c) for c in part) or tokens[members[0]])
        own_way = "" if part else ' dir="ltr"'  # a BOS is no letter of the text, by which its direction is found
        spans.append(f'<span{own_way} title="{html.escape(told)}" style="{_look(back, faint=not part)}">{shown}</span>')
    scale = f'<div style="font-size:.8em;color:#555">{_scale(label, numbers)}</div>' if numbers else ""
    whole = f'<div style="{_BOX}"><div dir="auto" style="white-space:pre-wrap">{"".join(spans)}</div>{scale}</div>'
    return TokenView(tokens, tuple(read.ids), numbers, whole)


def _patches(text: str, offsets: Sequence[tuple[int, int]], tokens: Sequence[int]) -> list[tuple[str, list[int]]]:
    """Parts of the text, each with the tokens that wrote it; a token without text, such as a BOS, has an empty part."""
    patches: list[tuple[int, int, list[int]]] = []
    for token, (start, stop) in zip(tokens, offsets, strict=True):
        if patches and stop > start and patches[-1][1] > patches[-1][0] and (start < patches[-1][1] or _inside(text, start)):
            first, last, members = patches.pop()
            patches.append((first, max(last, stop), [*members, token]))
        else:
            patches.append((start, stop, [token]))
    found, behind = [], 0
    for start, stop, members in patches:
        if stop > start and start > behind:  # what the tokenizer drops, such as a space
            found.append((text[behind:start] + text[start:stop], members))
        else:
            found.append((text[start:stop], members))
        behind = max(behind, stop)
    return found


def _inside(text: str, place: int) -> bool:
    """Whether a border at `place` would cut a letter from its signs: a mark or joiner behind it, or one that joins before it."""
    if not 0 < place < len(text):
        return False
    after, before = text[place], text[place - 1]
    return unicodedata.category(after)[0] == "M" or after in _JOINERS or before == _JOINERS[1] or unicodedata.combining(before) == 9


def _told(token: str, number: int, value: float | None, label: str) -> str:
    return f"{token}  id {number}" + ("" if value is None else f"  {label} {value:.4g}")


def _tint(value: float, strongest: float) -> tuple[int, ...]:
    share = abs(value) / strongest if strongest else 0.0
    full = _POSITIVE if value >= 0 else _NEGATIVE
    return tuple(round(255 - share * (255 - part)) for part in full)


def _look(back: tuple[int, ...], faint: bool) -> str:
    """Colours of a patch: its letters black or white, whichever has the higher contrast to it."""
    linear = [part / 3294.6 if part <= 10 else ((part / 255 + 0.055) / 1.055) ** 2.4 for part in back]
    light = 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]
    ink = "#000" if (light + 0.05) / 0.05 >= 1.05 / (light + 0.05) else "#fff"
    return f"background:rgb{back};color:{ink};border-radius:2px" + (";font-size:.75em" if faint else "")


def _scale(label: str, numbers: Sequence[float]) -> str:
    known = [number for number in numbers if math.isfinite(number)]
    ends = f"{min(known):.4g} to {max(known):.4g}" if known else "none"
    return html.escape(f"{label}: {ends}; blue positive, orange negative; hover for ids and values")
