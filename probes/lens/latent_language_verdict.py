"""What the readings of a word list show, in words: who leads where, by how much, and what else it could be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from interp.languages import language
from probes.lens.leads import Leads, Reading, Role
from probes.statistics.crossover import Crossover
from probes.statistics.layer_runs import capitalised, runs_of, say_runs
from probes.statistics.resampling import bootstrap, bracketed, highest
from probes.statistics.significance import FEWEST

_MOST_WORDS = 25
_MOST_TARGETS = 6
_BRIEF: dict[Role, str] = {"source": "the given word", "target": "the target"}
_ASKED = {"translation": "for {}", "repetition": "to repeat {}", "cloze": "to fill in {}"}


@dataclass(frozen=True)
class LensEvidence:
    """The evidence for a verdict: which word leads for each target language, and for their mean, the first group of `leads`.

    `sources` has the language of the word given, and `kept` the number of items, for each target language; `of` is the number
    of all items. `readings` are those the leads were found in, `resamples` and `seed` those of their intervals.
    """

    pivot: str
    task: str
    sources: Mapping[str, str]
    kept: Mapping[str, int]
    of: int
    layers: Sequence[str]
    readings: Mapping[str, Mapping[Role, Reading]]
    leads: Mapping[str, Leads]
    crossover: Crossover
    resamples: int
    seed: int

    @property
    def targets(self) -> tuple[str, ...]:
        """The target languages."""
        return tuple(self.sources)

    @property
    def whole(self) -> str:
        """The name of the mean over all targets."""
        return next(iter(self.leads))


def lens_verdict(evidence: LensEvidence) -> str:
    """Which word leads at which layers, then the evidence, then the caveats, from `evidence`."""
    leads, names = evidence.leads[evidence.whole], word_names(evidence)
    sentences = [
        first_sentence(evidence, leads, names),
        *_evidence(evidence, leads, names),
        *_by_target(evidence),
        *_caveats(evidence, leads),
    ]
    return " ".join(sentences)


def first_sentence(evidence: LensEvidence, leads: Leads, names: Mapping[Role, str]) -> str:
    """At most 25 words for a reader of another field: which word each run of layers favours, the number of words, and chance.

    `leads` are those of the mean in `evidence`, `names` those of `word_names`.
    """
    whom = _short(evidence.targets[0], evidence) if len(evidence.targets) == 1 else f"{len(evidence.targets)} languages"
    asked = f"Asked {_ASKED[evidence.task].format(whom)}"
    if leads.n < FEWEST:
        return f"{asked}, too few words are left to tell which language the model favours (n={leads.n}, {FEWEST} are needed)."
    if order := _in_order(leads):
        full = {role: leads.runs(role) for role in order}
        longest, brief = {role: _longest(leads.runs(role)) for role in order}, {**names, **_BRIEF}
        claims = [_favours(runs, called, evidence.layers) for runs, called in ((full, names), (longest, names), (longest, brief))]
        claims += [f"favours {', then '.join(brief[role] for role in order)}"]
        sentences = [f"{asked}, the model {claim} (n={leads.n}, above chance)." for claim in claims]
        return next((sentence for sentence in sentences if len(sentence.split()) <= _MOST_WORDS), sentences[-1])
    clear = [names[role] for role in leads.roles if leads.above[role].any()]
    if clear:
        verb = "is" if len(clear) == 1 else "are"
        return f"{asked}, no language clearly leads at any layer, though {_and(clear)} {verb} above chance (n={leads.n})."
    return f"{asked}, no language is likelier than chance at any layer: not distinguishable from unrelated words (n={leads.n})."


def word_names(evidence: LensEvidence) -> dict[Role, str]:
    """What each word in `evidence` is called: by its language, or by its part in the prompt where there are several."""
    pivot, single = evidence.pivot, len(evidence.targets) == 1
    sources = set(evidence.sources.values())
    return {
        "source": f"the given {_short(sources.pop(), evidence)} word" if len(sources) == 1 else "the given word",
        "pivot": _short(pivot, evidence),
        "target": _short(evidence.targets[0], evidence) if single else "the target language",
    }


def _favours(runs: Mapping[Role, Sequence[tuple[int, int]]], names: Mapping[Role, str], layers: Sequence[str]) -> str:
    parts, unit, verb = [], "layer", ""
    for role in runs:
        verb, before = ("copies" if role == "source" else "favours"), verb
        where = say_runs(runs[role], layers, unit)
        parts.append(f"{f'{verb} ' if verb != before else ''}{names[role]} {where}")
        unit = "" if "layer" in where else unit
    return _and(parts)


def _in_order(leads: Leads) -> list[Role]:
    """The words that lead somewhere, by where their longest run begins."""
    return sorted((role for role in leads.roles if leads.runs(role)), key=lambda role: _longest(leads.runs(role))[0])


def _longest(runs: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    return [max(runs, key=lambda run: run[1] - run[0])]


def _evidence(evidence: LensEvidence, leads: Leads, names: Mapping[Role, str]) -> list[str]:
    if leads.n < FEWEST:
        return []
    sentences = []
    for role in _in_order(leads):
        led = f"{names[role]} leads {say_runs(leads.runs(role), evidence.layers)}"
        sentences.append(capitalised(f"{led} ({_numbers(evidence, leads, names, role)})."))
    if sentences:
        sentences.append(
            "A lead is above the other words and above chance (p < 0.05 corrected for all layers, words and languages)."
        )
    if not leads.runs("pivot"):
        sentences.append(_where_pivot_is_highest(evidence, leads, names))
    elif leads.runs("target") and (crossover := evidence.crossover).certain:
        sentences.append(capitalised(f"{names['target']} overtakes {names['pivot']} for good at {crossover}."))
    return sentences


def _numbers(evidence: LensEvidence, leads: Leads, names: Mapping[Role, str], role: Role) -> str:
    """The probability over the longest run of layers, with its interval, beside the other words and chance."""
    ((first, last),) = _longest(leads.runs(role))
    readings, span = evidence.readings[evidence.whole], slice(first, last + 1)
    values = readings[role].value[leads.items][:, span].mean(1)
    lower, upper = map(float, bootstrap(values, evidence.resamples, evidence.seed))
    beside = {names[other]: readings[other].value for other in leads.roles if other != role}
    beside |= {"unrelated words": readings[role].unrelated, "untrained model": readings[role].untrained}
    beside = {name: values[leads.items][:, span] for name, values in beside.items()}
    others = ", ".join(f"{name} {np.nanmean(values):.3f}" for name, values in beside.items() if not np.isnan(values).all())
    where = "" if len(leads.runs(role)) == 1 else f" {say_runs([(first, last)], evidence.layers)}"
    return f"probability {values.mean():.3f} {bracketed(lower, upper, '.3f')}{where}; {others}"


def _where_pivot_is_highest(evidence: LensEvidence, leads: Leads, names: Mapping[Role, str]) -> str:
    readings = evidence.readings[evidence.whole]
    means = {role: readings[role].value[leads.items].mean(0) for role in leads.roles}
    at = highest(means["pivot"][1:-1]) + 1
    first = max(means, key=lambda role: float(means[role][at]))
    where = f"before the last layer it is highest at layer {evidence.layers[at]}, with {means['pivot'][at]:.3f}"
    seen = f"{names['pivot']} never leads: {where}"
    if not leads.above["pivot"][at]:
        return f"{seen}, not distinguishable from chance there."
    if first == "source":
        return f"{seen}, where {names['source']} has {means['source'][at]:.3f}: that one is being copied."
    ahead = np.argmax([means[role] for role in leads.roles], axis=0) == leads.roles.index("pivot")
    if unsure := runs_of(ahead & leads.above["pivot"]):
        return f"{names['pivot']} is highest {say_runs(unsure, evidence.layers)}, but not clearly ahead: {where}."
    return f"{seen}, where {names['target']} has {means['target'][at]:.3f}."


def _by_target(evidence: LensEvidence) -> list[str]:
    """Each target language by itself; the number of those in which the reference language leads where they are many."""
    targets = evidence.targets
    if len(targets) == 1:
        return []
    by_target = {target: evidence.leads[target] for target in targets}
    pivot = _short(evidence.pivot, evidence)
    if len(targets) > _MOST_TARGETS:
        led = sum(bool(leads.runs("pivot")) for leads in by_target.values())
        copied = sum(bool("source" in leads.roles and leads.runs("source")) for leads in by_target.values())
        return [f"{pivot} leads somewhere in {led} of {len(targets)} target languages, the given word in {copied}."]
    parts = []
    for target, leads in by_target.items():
        called: dict[Role, str] = {"source": "the given word", "pivot": pivot, "target": "itself"}
        led_by = [f"{called[role]} {say_runs(leads.runs(role), evidence.layers, '')}" for role in _in_order(leads)]
        parts.append(f"{_short(target, evidence)} (n={leads.n}): {', '.join(led_by) or 'none leads'}")
    return [f"Who leads by target language, at layers: {'; '.join(parts)}."]


def _caveats(evidence: LensEvidence, leads: Leads) -> list[str]:
    sentences = [f"{sum(evidence.kept.values())} of {evidence.of * len(evidence.targets)} items kept."]
    pivot, sources = evidence.pivot, evidence.sources
    third = [target for target in evidence.targets if sources[target] not in (pivot, target)]
    alike = sum(evidence.kept[target] - evidence.leads[target].n for target in third)
    if any(sources[target] == pivot for target in evidence.targets):
        sentences.append(f"The prompt gives the {_short(pivot, evidence)} word itself, so where it leads it may be copied.")
    blind = [_short(target, evidence) for target in third if "source" not in evidence.leads[target].roles]
    if blind:
        sentences.append(
            f"The word given begins like the others too often to be told apart ({_and(blind)}): copying is not ruled out."
        )
    elif alike:
        sentences.append(f"{alike} of these are not compared, as the word given begins like another or cannot be spelled.")
    if any(leads.runs(role) for role in leads.roles):
        sentences.append("That a word can be read out of a layer does not say that later layers use it.")
    return sentences


def _short(code: str, evidence: LensEvidence) -> str:
    """The name of a language without its script, where no other language of the report has that name."""
    codes = {evidence.pivot, *evidence.targets, *evidence.sources.values()}
    short = {other: language(other).name.split(" (")[0] for other in codes}
    return short[code] if list(short.values()).count(short[code]) == 1 else language(code).name


def _and(parts: Sequence[str]) -> str:
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} and {parts[-1]}" if parts else ""
