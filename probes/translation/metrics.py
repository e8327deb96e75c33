"""What written texts are scored by: the names of the metrics, and metrics of your own.

A metric of your own is a function (`TextMetric`), given from Python, or by name as `interp.own_code` reads it (`my_code:f`). Its
baseline is what it gives to the texts that every baseline is made of: the untranslated source, or the next question's answer.
"""

from __future__ import annotations

import difflib
import inspect
import itertools
from collections.abc import Callable, Iterable, Mapping, Sequence
from collections.abc import Set as AbstractSet
from typing import Protocol, cast, runtime_checkable

import numpy as np
from jaxtyping import Float

from interp.own_code import Group, OwnCode, names_code, names_or_code, own_code
from probes.translation.normalisation import RULE
from probes.translation.scorers import CORPUS_SCORES, Overlap, check_one_scale, check_tokens, signatures, tokens_of

GROUP: Group = "interp.text_metrics"
TRANSLATED = ("exact", *CORPUS_SCORES, "nll", "script", "identified")
"""Metrics of a translation."""
STUDIED = ("exact", *CORPUS_SCORES, "script")
"""Those of them that studies of tuned models can take."""
ANSWERED = ("choice", "exact", "f1", "contains", "contains_whole", "script", "mlqa_exact", "mlqa_f1", "squad_exact", "squad_f1")
"""Metrics of an answer."""
LABELS = {
    "exact": "exact match", "chrf": "chrF++", "bleu": "BLEU", "spbleu_flores101": "spBLEU (FLORES-101)",
    "spbleu_flores200": "spBLEU (FLORES-200)", "spbleu_spm": "spBLEU (FLORES-101)", "nll": "nats per character",
    "script": "share in the target's script", "identified": "share identified as the target", "choice": "accuracy of the choice",
    "f1": "F1", "contains": "answer contained", "contains_whole": "answer contained in whole words",
    "mlqa_exact": "exact match (MLQA's)", "mlqa_f1": "F1 (MLQA's)", "squad_exact": "exact match (SQuAD's)",
    "squad_f1": "F1 (SQuAD's)",
}  # fmt: skip
_ARGUMENTS = ("hypotheses", "references", "sources", "language")
_SYNONYMS = {
    **dict.fromkeys(("hyp", "hyps", "pred", "preds", "prediction", "predictions", "outputs", "candidates"), "hypotheses"),
    **dict.fromkeys(("ref", "refs", "gold", "golds", "target", "targets", "accepted", "answers"), "references"),
    **dict.fromkeys(("src", "srcs", "inputs", "questions", "prompts"), "sources"),
    **dict.fromkeys(("lang", "code", "language_code", "lang_code"), "language"),
}
"""What others call the four arguments: a parameter of such a name that keeps its default is one that was misnamed."""


@runtime_checkable
class TextMetric(Protocol):
    """A metric of your own for translations and answers: any function that takes `hypotheses`, and what else it names of the four.

    Example
    -------
    >>> def length_ratio(hypotheses, references, sources, language):
    ...     return [len(said) / max(1, len(golds[0])) for said, golds in zip(hypotheses, references)]
    >>> import interp, probes
    >>> names = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"]).select(limit=3, seed=0)
    >>> report = probes.measure_translation(interp.load("bundled"), names, [("eng_Latn", "deu_Latn")], metrics=[length_ratio])
    >>> bool(report.summary().loc[0, "estimate"] > 0), isinstance(length_ratio, probes.TextMetric)
    (True, True)
    """

    def __call__(
        self, *, hypotheses: Sequence[str], references: Sequence[Sequence[str]], sources: Sequence[str], language: str
    ) -> Iterable[float]:
        """Score each written text; more is better.

        It is called once for each language with all of its texts, so that a large scorer is asked in batches; and once more with
        the texts of the baseline. It gets the arguments that it names (all four where it has `**kwargs`); parameters that can be
        given by position alone get them in this order.

        Parameters
        ----------
        hypotheses
            What the model wrote.
        references
            The accepted texts of each; one for a translation.
        sources
            What each was made from: the sentence to translate, or the question.
        language
            FLORES-200 code of the language written in.

        Returns
        -------
        One finite number for each hypothesis. Give a share as 0 to 1: a study on a scale of 0 to 100 multiplies it.
        """
        ...


Metric = str | TextMetric
Resolved = str | OwnCode


def resolved(metrics: Sequence[Metric], known: Sequence[str]) -> list[Resolved]:
    """Each of `metrics` as a name among those `known`, or as code of your own.

    Raises `ValueError` for a name that is neither, a metric given twice, and a function that takes other things than a
    `TextMetric`.
    """
    if "spbleu" in metrics:
        raise ValueError(
            "got metric 'spbleu', which leaves its tokens open, expected spbleu_flores101 (arXiv 2308.04948, 2305.15083), "
            "spbleu_flores200 or spbleu_spm (sacreBLEU's older name of the first)."
        )
    return names_or_code(metrics, known, GROUP, _check_arguments)


def metric_name(metric: Metric | Resolved) -> str:
    """What tables call a `metric`: its name, or `module:function`."""
    if isinstance(metric, OwnCode):
        return metric.name
    if isinstance(metric, str) and (metric in LABELS or names_code(metric)):
        return metric
    own = own_code(metric, GROUP)
    return own.name if own else str(metric)


def is_own(name: str) -> bool:
    """Whether `name`, in a table, is that of a metric of your own."""
    return ":" in name


def label_of(name: str) -> str:
    """What figures and sentences call the metric of a `name`."""
    return LABELS.get(name, name)


def scale_label(name: str) -> str:
    """What figures and sentences call the metric of a `name` on a scale of 0 to 100."""
    return label_of(name) + ("" if name in CORPUS_SCORES else " (%)")


def check_studied(metrics: Sequence[Metric], targets: Iterable[str], what: str) -> None:
    """Raise `ValueError` where a study cannot be scored by `metrics`: before anything is tuned.

    Parameters
    ----------
    metrics
        Names, and functions of your own.
    targets
        The languages that the study translates into, and averages over.
    what
        The study, for the message.
    """
    codes = list(targets)
    names = [metric for metric in resolved(metrics, STUDIED) if isinstance(metric, str)]
    check_one_scale(names, codes, what)
    check_tokens(names, codes)


def metric_contents(metrics: Sequence[Metric], targets: Iterable[str]) -> dict[str, object]:
    """What the scores of translations rest on beside the names of `metrics`, for the key of a cache. Empty for chrF++ and the like.

    It is the rule of exact match, the code of your own, and the tokens of each of the `targets`, the languages written into.
    """
    every = resolved(metrics, TRANSLATED)
    own = {metric.name: metric.sha for metric in every if isinstance(metric, OwnCode)}
    tokens = {name: {code: tokens_of(name, code) for code in sorted(set(targets))} for name in every
              if isinstance(name, str) and name in CORPUS_SCORES and name != "chrf"}  # fmt: skip
    rule = {"rule": RULE} if "exact" in every else {}
    return rule | ({"own": own} if own else {}) | ({"tokens": tokens} if tokens else {})


def signed_metrics(metrics: Sequence[Metric | Resolved], targets: Iterable[str]) -> dict[str, str]:
    """What a signature says of `metrics` into `targets`: sacreBLEU's own signatures, and the hash of code of your own."""
    signed, codes = dict[str, str](), list(targets)
    for metric in metrics:
        own = metric if isinstance(metric, OwnCode) else own_code(metric, GROUP) if metric_name(metric) not in LABELS else None
        if own is not None:
            signed[own.name] = own.sha[:8]
        elif overlap := is_corpus_score(metric_name(metric)):
            signed |= signatures(overlap, codes)
    return signed


def signed_studied(metrics: Sequence[Metric], targets: Iterable[str]) -> dict[str, str]:
    """The same for a study, whose signature leaves out chrF++'s: `metrics` into `targets`."""
    return signed_metrics([metric for metric in metrics if metric != "chrf"], targets)


def is_corpus_score(name: Resolved) -> Overlap | None:
    """The `name` of a score of sacreBLEU, typed as such; None for any other."""
    return next((score for score in CORPUS_SCORES if score == name), None)


def own_scores(
    metric: Resolved, hypotheses: Sequence[str], references: Sequence[Sequence[str]], sources: Sequence[str], language: str
) -> Float[np.ndarray, " item"]:
    """The scores of written texts by a metric of your own.

    Parameters
    ----------
    metric
        The metric, from `resolved`.
    hypotheses, references, sources, language
        As a `TextMetric` takes them.

    Raises
    ------
    ValueError
        The function fails, or gives anything but one finite number for each text.
    """
    assert isinstance(metric, OwnCode)
    what = f"metric {metric.name!r} in {language}"
    try:
        texts = {"hypotheses": list(hypotheses), "references": references, "sources": list(sources), "language": language}
        by_place, by_name = _taken(metric.call)
        given = metric.call(*(texts[name] for name in by_place), **{name: texts[name] for name in by_name})
        unlisted = isinstance(given, str | bytes | Mapping | AbstractSet)  # which have no numbers, or no order
        listed = isinstance(given, Iterable) and getattr(given, "ndim", 1) > 0 and not unlisted
        each = list(cast("Iterable[float]", given)) if listed else []
        words = next((one for one in each if isinstance(one, str | bytes)), None)
        scores = np.asarray(each if words is None else [], dtype=float)
    except Exception as error:  # whatever the function raises
        raise ValueError(f"{what}: it failed with {type(error).__name__}: {' '.join(str(error).split())[:200]}.") from error
    if not listed:
        raise ValueError(f"{what}: got a {type(given).__name__}, expected a list with one number for each text.")
    if words is not None:
        raise ValueError(f"{what}: got the text {words!r}, expected a number for each text. Give float({words!r}).")
    if scores.shape != (len(hypotheses),):
        raise ValueError(f"{what}: got scores of shape {scores.shape} for {len(hypotheses)} texts, expected one number for each.")
    if not np.isfinite(scores).all():
        raise ValueError(
            f"{what}: got {scores[~np.isfinite(scores)][0]} for {int((~np.isfinite(scores)).sum())} texts, expected finite numbers."
        )
    return scores


def _check_arguments(own: OwnCode) -> None:
    by_place, by_name = _taken(own.call)
    try:
        signature = inspect.signature(own.call)
        signature.bind(*by_place, **dict.fromkeys(by_name))
    except ValueError:  # some functions written in C tell none
        return
    except TypeError:
        fits = False
    else:
        fits = "hypotheses" in (*by_place, *by_name)
    if not fits:
        raise ValueError(
            f"metric {own.name!r}: got a function of {signature}, expected one of ({', '.join(_ARGUMENTS)}), by these names, "
            "of which all but hypotheses may be left out."
        )
    _check_left_out(own.name, signature, (*by_place, *by_name))


def _check_left_out(name: str, signature: inspect.Signature, given: Sequence[str]) -> None:
    """Refuse a parameter that would keep its default though its name, or its place, is nearly that of one of the four."""
    for place, each in enumerate(signature.parameters.values()):
        named, by_place = each.name.strip("_").casefold(), each.kind is each.POSITIONAL_ONLY
        if by_place and each.name in _ARGUMENTS and _ARGUMENTS.index(each.name) != place:
            raise ValueError(
                f"metric {name!r}: got {each.name} at place {place + 1} of {signature}, by place alone, expected the order "
                f"({', '.join(_ARGUMENTS)}). Leave out the / so that they are given by name."
            )
        if each.default is each.empty or each.kind is each.VAR_KEYWORD or (each.name in given and not by_place):
            continue
        close = difflib.get_close_matches(named, [one for one in _ARGUMENTS if one[0] == named[:1]], n=1, cutoff=0.8)
        meant = _SYNONYMS.get(named) or next(iter(close), None)
        if (
            meant is not None
            and (meant not in signature.parameters or each.name == meant)
            and not (by_place and place < len(given))
        ):
            remedy = "Leave out the / or its default" if each.name == meant else f"Call it {meant}, or otherwise if it is none"
            raise ValueError(
                f"metric {name!r}: got the parameter {each.name}, which would keep its default, expected {meant}. {remedy}."
            )


def _taken(call: Callable[..., object]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Which of the four arguments a function takes: by place, in their order, and by name."""
    try:
        parameters = inspect.signature(call).parameters.values()
    except (TypeError, ValueError):
        return (), _ARGUMENTS
    kinds = {each.kind for each in parameters}
    leading = list(itertools.takewhile(lambda pair: _is_placed(*pair), zip(parameters, _ARGUMENTS, strict=False)))
    placed = sum(each.kind is each.POSITIONAL_ONLY for each, _ in leading)
    if inspect.Parameter.VAR_POSITIONAL in kinds:
        before = [each for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
        placed = len(_ARGUMENTS) if len(leading) == len(before) else placed
    named = {each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)}
    every = inspect.Parameter.VAR_KEYWORD in kinds
    return _ARGUMENTS[:placed], tuple(name for name in _ARGUMENTS[placed:] if every or name in named)


def _is_placed(parameter: inspect.Parameter, argument: str) -> bool:
    """Whether a `parameter` takes the `argument` at its place: one by place alone has no default, or its name."""
    if parameter.kind is parameter.POSITIONAL_ONLY:
        return parameter.default is parameter.empty or parameter.name == argument
    return parameter.kind is parameter.POSITIONAL_OR_KEYWORD and parameter.name == argument
