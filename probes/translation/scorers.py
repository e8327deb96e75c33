"""sacreBLEU's scores by name, and the tokens in which each counts a target language.

BLEU's tokens differ by language, so BLEU into Chinese is not on the scale of BLEU into German, and no mean is taken over both.
spBLEU has one vocabulary for all languages, and chrF++ counts characters.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import cache
from typing import TYPE_CHECKING, Literal, get_args

from interp.text.numbers import is_unspaced

if TYPE_CHECKING:
    from sacrebleu.metrics.base import Metric

Overlap = Literal["chrf", "bleu", "spbleu_flores101", "spbleu_flores200", "spbleu_spm"]
"""Corpus scores: computed from summed counts, so the score of many items is not the mean of their own scores."""
CORPUS_SCORES: tuple[Overlap, ...] = get_args(Overlap)
_SPBLEU = {"spbleu_flores101": "flores101", "spbleu_flores200": "flores200", "spbleu_spm": "flores101"}
"""sacreBLEU's tokenizers; its older name `spm` means flores101."""
_BLEU = {"zho": "zh", "yue": "zh", "jpn": "ja-mecab", "kor": "ko-mecab"}
_EXTRA = {"ja-mecab": "ja", "ko-mecab": "ko"}


def tokens_of(name: str, code: str) -> str:
    """sacreBLEU's tokenizer of a score into a language, "" for chrF++ and for scores that are not sacreBLEU's.

    BLEU takes sacreBLEU's own for Chinese, Japanese and Korean, characters where the script is written without spaces, and 13a.

    Parameters
    ----------
    name
        The score.
    code
        The target language.
    """
    if name == "bleu":
        return _BLEU.get(code[:3], "char" if is_unspaced(code) else "13a")
    return _SPBLEU.get(name, "")


def check_tokens(names: Iterable[str], targets: Iterable[str]) -> None:
    """Raise `ValueError` where the tokenizer of one of the scores `names` into one of the `targets` cannot be had.

    Called before a model is loaded: nothing is printed as spBLEU or BLEU that is not in its tokens.
    """
    codes = list(targets)
    for name in names:
        for code in codes:
            tokens = tokens_of(name, code)
            if tokens and (reason := _missing(tokens)):
                what = f"metric {name!r} into {code}" if name == "bleu" else f"metric {name!r}"
                raise ValueError(f"{what}: sacreBLEU's tokenizer {tokens} is not available ({reason}). {_remedy(tokens)}")


def available_scores(names: Sequence[str], targets: Iterable[str]) -> tuple[list[str], str]:
    """Those of the scores `names` whose tokenizers can be had for all `targets`, and a sentence on those left out."""
    codes, kept, why = list(targets), [], ""
    for name in names:
        try:
            check_tokens([name], codes)
            kept.append(name)
        except ValueError as error:
            why = f"{why} Left out: {error}".strip()
    return kept, why


def several_tokens(name: str, targets: Iterable[str]) -> str:
    """Why no mean of a score is taken over these `targets`: "" where their tokens are the same.

    Parameters
    ----------
    name
        The score.
    targets
        The target languages.
    """
    first: dict[str, str] = {}
    for code in targets:
        first.setdefault(tokens_of(name, code), code)
    if len(first) < 2:
        return ""
    parts = ", ".join(f"{tokens} into {code}" for tokens, code in first.items())
    return f"BLEU counts in different tokens ({parts}), so no mean is taken over them: read chrF++ or spBLEU"


def check_one_scale(names: Iterable[str], targets: Iterable[str], what: str) -> None:
    """Raise `ValueError` where one of the scores `names` is not on one scale over the `targets`, over which `what` averages."""
    codes = list(targets)
    for name in names:
        if reason := several_tokens(name, codes):
            raise ValueError(f"metric {name!r}: {what} averages over languages, but {reason}.")


@cache
def scorer(name: Overlap, code: str) -> Metric:
    """The sacreBLEU metric of a score into a language.

    Parameters
    ----------
    name
        "chrf" is chrF++ (word order 2), "bleu" BLEU in the tokens of `tokens_of`, "spbleu_..." BLEU in the SentencePiece tokens
        of FLORES-101 or FLORES-200, whose model sacreBLEU downloads once (Goyal et al. 2022).
    code
        The target language.

    Raises
    ------
    ValueError
        The tokenizer cannot be had.
    """
    from sacrebleu.metrics.bleu import BLEU
    from sacrebleu.metrics.chrf import CHRF

    check_tokens([name], [code])
    metric: Metric = CHRF(word_order=2) if name == "chrf" else BLEU(tokenize=tokens_of(name, code), force=True)
    metric.num_refs = 1  # its signature states it
    return metric


def signatures(name: Overlap, targets: Iterable[str]) -> dict[str, str]:
    """sacreBLEU's signature of a score `name`: one for all `targets`, or one for each set of them that has its own tokens."""
    by_line: dict[str, list[str]] = {}
    for code in dict.fromkeys(targets):
        by_line.setdefault(str(scorer(name, code).get_signature()), []).append(code)
    return {name if len(by_line) == 1 else f"{name}[{'+'.join(codes)}]": line for line, codes in by_line.items()}


@cache
def _missing(tokens: str) -> str:
    """Why a tokenizer cannot be had; "" where it can."""
    from sacrebleu.metrics.bleu import BLEU

    try:
        BLEU(tokenize=tokens, force=True).sentence_score("a", ["a"])
    except (Exception, SystemExit) as error:  # sacreBLEU raises whatever the network, the lock or sentencepiece raised
        return " ".join(str(error).split())[:120] or type(error).__name__
    return ""


def _remedy(tokens: str) -> str:
    if tokens in _EXTRA:
        return f"Install it with pip install 'sacrebleu[{_EXTRA[tokens]}]', or take chrf."
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
    from sacrebleu.utils import SACREBLEU_DIR

    url = SPM_MODELS[tokens]["url"]
    return f"Put {url} into {SACREBLEU_DIR}/models/{url.rpartition('/')[2]}, or take chrf, or bleu under its own name."
