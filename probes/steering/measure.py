"""Can a direction make the model write another language, and does erasing the language stop it?

An edit is fitted on some sentences and applied to the running model while it continues others. Each generated text is scored by its
language, its repetition, its fidelity (chrF++ against the translation) and its surprise (loss under the unedited model). The layer
and the strength are chosen on some sentences and tested on others, beside random directions of the same norm that lie, like the
fitted one, within the differences of the model's own states (`probes.steering.directions`).

The default prompt is an equation, `"sentence" = "`, without the name of a language. Unedited, a model writes the sentence
again (the bundled one in any language). Where the edit changes the language and leaves the meaning, it translates, and the
fidelity rises above that of the same texts against translations of other sentences. After a prompt that leaves open what follows
(the sentence and a line break), a text says something else in any case, and its fidelity means nothing.

When the number misleads: read the language with the repetition and the fidelity, as a few words in a circle have a low surprise.
Directions that are fitted on pooled states with an attention sink in them are mostly the sink.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from interp.activations.sinks import describe_sinks
from interp.activations.spans import Template
from interp.activations.store import Activations, choose_rows
from interp.generation.generate import generate
from interp.interventions.steering import Edit, edited
from interp.languages import language
from interp.provenance import Signature
from interp.text.corpus import ParallelCorpus
from interp.vocabulary.spelling import scripts_of
from probes.report import with_receipts
from probes.statistics.random_draws import FEWEST_DRAWS
from probes.statistics.significance import FEWEST
from probes.steering.choice import CHOOSING, candidates, choices, part
from probes.steering.directions import Kind, fitted_edits, random_edits, scaled
from probes.steering.report import FITTED, SubspaceReport
from probes.steering.texts import Judge

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

EQUATION = '"{sentence}" = "'
STOPS = ('"', "\n", " = ")
STRENGTHS = (1.0, 1.5, 2.0)


@dataclass(frozen=True)
class _Evaluation:
    """What is the same for every edit: the model, the fitting states, and how texts are written and judged."""

    model: TransformerBridge
    acts: Activations
    source: str
    target: str
    kind: Kind
    template: str
    stop: Sequence[str]
    max_new_tokens: int
    identify: Callable[[str], str] | None

    def edits(self, layers: Sequence[str], draw_seed: int | None = None) -> dict[str, Edit]:
        """The fitted edit of some layers, or a random one."""
        own = self.acts.select(layers=layers)
        if draw_seed is None:
            return fitted_edits(own, self.kind, self.source, self.target)
        return random_edits(own, self.kind, self.source, self.target, draw_seed)

    def judge(self, corpus: ParallelCorpus) -> Judge:
        before, after = Template(self.template).around(language(self.source))
        prompts = [f"{before}{sentence}{after}" for sentence in corpus[self.source]]
        return Judge(self.model, prompts, corpus[self.target], self.target, self.identify)

    def attempt(self, judge: Judge, bar: float, edits: Mapping[str, Edit], alpha: float) -> pd.DataFrame:
        """The texts written under an edit, one row per prompt, with their scores."""
        with edited(self.model, scaled(dict(edits), alpha) if alpha else {}, self.acts.site):
            texts = generate(self.model, judge.prompts, max_new_tokens=self.max_new_tokens, stop=self.stop)
        return judge.judge(texts, bar).assign(alpha=float(alpha))


@with_receipts
def measure_steering(
    model: TransformerBridge,
    acts: Activations,
    corpus: ParallelCorpus,
    source: str,
    target: str,
    *,
    kind: Kind = "steer",
    layers: Sequence[str] | None = None,
    alphas: Sequence[float] = STRENGTHS,
    choosing: int | None = None,
    template: str = EQUATION,
    stop: Sequence[str] = STOPS,
    draws: int = 8,
    max_new_tokens: int = 24,
    identify: Callable[[str], str] | None = None,
    seed: int = 0,
    resamples: int = 1000,
) -> SubspaceReport:
    """Let the model write sentences again under an edit, and measure how often it writes them in another language.

    Parameters
    ----------
    model
        A model from `interp.load`.
    acts
        Activations that the edit is fitted on, in both languages. They must be of other sentences than `corpus`.
    corpus
        Sentences for the prompts, in both languages; the translations measure the fidelity. Some of them choose the layer and the
        strength, and the others test them.
    source, target
        Language of the prompts and language to steer to, in any spelling.
    kind
        `steer` adds alpha times the difference of the language means. `leace` and `lsar` move the activations by a share alpha
        towards their erased values.
    layers
        Layers to edit, all at once, by name ("embed", "0", ...). Default: one block, chosen among eight that are spread evenly over
        the depth.
    alphas
        Strengths to choose among. All are tested too. With `layers` and one strength nothing is chosen.
    choosing
        Number of sentences of `corpus` to choose on. Default: a third of them, at most 8.
    template
        Prompt template around a sentence, with {sentence}.
    stop
        Strings at which a text ends. Default: the closing quotation mark, the end of the line, or another " = ". A sentence with
        quotation marks of its own ends early.
    draws
        Number of random directions (or subspaces) of the control, at the chosen layer and strength. With fewer than seven nothing
        is claimed.
    max_new_tokens
        Number of tokens to generate.
    identify
        Function that gives the FLORES-200 code of a text. Default: a text is in the target language if most of its letters are in
        the script of that language, so the two languages must have different scripts.
    seed
        Random seed of the sentences to choose on, of the control directions and of the bootstrap.
    resamples
        Number of bootstrap resamples.

    Returns
    -------
    `SubspaceReport`.

    Raises
    ------
    ValueError
        `acts` and `corpus` share sentences, there are too few, or the languages share a script and `identify` is not given.

    References
    ----------
    Difference-of-means steering: Turner et al. 2023, "Activation Addition", arXiv 2308.10248. The erasing edits: `fit_erasers`.

    Example
    -------
    >>> import interp, probes
    >>> from probes.statistics.folds import halves
    >>> model, corpus = interp.load("bundled"), interp.read("cldr:names", languages=["eng_Latn", "zho_Hans"], limit=12)
    >>> first, second = halves(corpus, seed=0)
    >>> acts, texts = interp.capture(model, first), second.select(limit=4)
    >>> report = probes.measure_steering(
    ...     model, acts, texts, "eng_Latn", "zho_Hans", alphas=[1.0], choosing=2, draws=2, max_new_tokens=2, resamples=10
    ... )
    >>> len(report.choice()), report.table.query("part == 'test'").groupby(["direction", "alpha"]).size().tolist()
    (8, [2, 2, 2, 2])
    """
    source, target = language(source).code, language(target).code
    strengths = sorted({float(alpha) for alpha in alphas} - {0.0}, key=abs)
    if draws < 1:
        raise ValueError(f"got {draws} random directions, expected at least 1 to compare with.")
    _check(acts, corpus, source, target, identify, strengths)
    evaluation = _Evaluation(model, acts, source, target, kind, template, stop, max_new_tokens, identify)
    options = [tuple(layers)] if layers else [(layer,) for layer in candidates(acts.layers)]
    for option in options:
        choose_rows(acts.layers, option)
    chosen, alpha, tried, frames = options[0], strengths[0], 0, []
    if len(options) * len(strengths) > 1:
        count = min(CHOOSING, max(1, len(corpus) // 3)) if choosing is None else choosing
        on, corpus = part(corpus, count, seed)
        frames, tried = [_choose(evaluation, on, options, strengths)], len(on)
        best = choices(frames[0]).iloc[0]
        chosen, alpha = tuple(best["layer"].split(",")), float(best["alpha"])
    bar, table = _test(evaluation, corpus, chosen, strengths, alpha, draws, seed)
    settings = {
        "kind": kind, "source": source, "target": target, "layers": list(chosen), "alpha": alpha, "draws": draws, "bar": bar,
        "order": [",".join(option) for option in options], "identified": identify is None, "fitted": len(acts),
        "resamples": resamples, "seed": seed,
    }  # fmt: skip
    signed = {"site": acts.site, "layers": ",".join(chosen), "alpha": f"{alpha:g}", "direction": f"{source}>{target}",
              "draws": draws, "chosen_on": tried, "fitted": str(acts.signature.corpus), "boot": resamples,
              "seed": seed}  # fmt: skip
    return SubspaceReport(
        pd.concat([*frames, table], ignore_index=True),
        Signature(kind, acts.signature.model, corpus.identity, signed),
        settings=settings,
        notes=(*_notes(settings, len(corpus)), *describe_sinks(acts)),
    )


def _check(
    acts: Activations,
    corpus: ParallelCorpus,
    source: str,
    target: str,
    identify: Callable[[str], str] | None,
    strengths: Sequence[float],
) -> None:
    if not strengths:
        raise ValueError("got no strength besides 0, expected at least one other, such as alphas=[1.0].")
    shared = set(acts.ids) & set(corpus.ids) if acts.signature.corpus.name == corpus.name else set()
    if shared:
        raise ValueError(
            f"got {len(shared)} sentences in both `acts` and `corpus` (such as {min(shared)!r}), expected none. "
            "Fit the edit on other sentences than those it is tested on."
        )
    if identify is None and scripts_of(source) & scripts_of(target):
        raise ValueError(f"got {source} and {target}, which share a script, expected two scripts. For one script give `identify`.")


def _choose(
    evaluation: _Evaluation, corpus: ParallelCorpus, options: Sequence[tuple[str, ...]], strengths: Sequence[float]
) -> pd.DataFrame:
    """The texts of every option (layers that are edited together) at every strength."""
    judge, frames = evaluation.judge(corpus), []
    bar = judge.unrelated()
    with tqdm(total=len(options) * len(strengths), desc="choose", unit="edit") as progress:
        for option in options:
            edits = evaluation.edits(option)
            for alpha in strengths:
                frames.append(evaluation.attempt(judge, bar, edits, alpha).assign(layer=",".join(option)))
                progress.update()
    return _described(frames, corpus).assign(part="choose", direction=FITTED)


def _test(
    evaluation: _Evaluation,
    corpus: ParallelCorpus,
    layers: Sequence[str],
    strengths: Sequence[float],
    alpha: float,
    draws: int,
    seed: int,
) -> tuple[float, pd.DataFrame]:
    """The bar of plausibility, and the texts: unedited, edited at every strength, and under random edits at `alpha`."""
    judge, edits = evaluation.judge(corpus), evaluation.edits(layers)
    bar = judge.unrelated()
    asked = [(FITTED, edits, strength) for strength in (0.0, *strengths)]
    asked += [(f"random {draw}", evaluation.edits(layers, seed + draw), alpha) for draw in range(draws)]
    frames = [
        evaluation.attempt(judge, bar, own, strength).assign(direction=name, layer=",".join(layers))
        for name, own, strength in tqdm(asked, desc=evaluation.kind, unit="edit")
    ]
    return bar, _described(frames, corpus).assign(part="test")


def _described(frames: Sequence[pd.DataFrame], corpus: ParallelCorpus) -> pd.DataFrame:
    table = pd.concat([frame.assign(item=corpus.ids) for frame in frames], ignore_index=True)
    return table.assign(document=np.tile(corpus.documents, len(frames))) if corpus.documents else table


def _notes(settings: Mapping[str, object], tested: int) -> tuple[str, ...]:
    notes = ["The script of its letters identifies the language of a text."] if settings["identified"] else []
    if (draws := int(str(settings["draws"]))) < FEWEST_DRAWS:
        notes.append(f"With {draws} random directions nothing can be claimed: at least {FEWEST_DRAWS} are needed (`draws`).")
    if tested < FEWEST:
        notes.append(f"With {tested} test sentences nothing can be claimed: at least {FEWEST} are needed.")
    return tuple(notes)
