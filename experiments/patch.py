"""`interp patch`: which component causes the answer?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.settings import Settings

if TYPE_CHECKING:
    from probes.report import Report


@dataclass(frozen=True)
class PatchSettings(Settings):
    """Which component causes the answer?

    `contrast` pairs each question with another of the same kind and language and puts what one run holds into the other, layer by
    layer. `concept` carries a concept and a language apart: across languages, and beside the same language (the most that can
    move) and another concept (the least).
    """

    corpus: str = "cldr:facts"
    """Questions with answers: "cldr:facts", or a file or folder of them."""
    output: Path = Path("runs/patch")
    """The run folder to write."""
    design: Literal["contrast", "concept"] = "contrast"
    """Two prompts of one language, or concept and language apart."""
    site: Literal["residual_post", "residual_pre", "residual_mid", "attention", "mlp", "head"] = "residual_post"
    """What is patched; head means every attention head by itself (contrast only)."""
    anchors: tuple[Literal["last", "span", "span_mean"], ...] = ("span", "last")
    """Where: the last token of the prompt, the last token of what differs between the prompts, or all of it (concept: the last
    one given)."""
    metric: Literal["logit_difference", "logprob", "kl"] = "logit_difference"
    """What is read (contrast)."""
    directions: tuple[Literal["denoise", "noise"], ...] = ("denoise", "noise")
    """Clean into corrupt (is the place sufficient?), corrupt into clean (is it needed?)."""
    method: Literal["exact", "attribution"] = "exact"
    """Patch every place, or estimate from gradients and patch a random share to say how far to trust it (contrast)."""
    steps: int = 1
    """Gradient steps between the two prompts (attribution; more than one needs prompts of equal length)."""
    keep: Literal["right", "all"] = "right"
    """Only pairs that the model answers rightly on both sides, or all."""
    template: str | dict[str, str] | None = None
    """The prompt, with field names in braces; one for all languages or one each."""
    split: str | None = None
    """A part of the corpus, where it has several."""


def run(settings: PatchSettings) -> Report:
    """Build the pairs and patch them."""
    from interp.text.read import read_task
    from probes.patching.concepts import measure_concepts
    from probes.patching.contrasts import contrasts
    from probes.patching.measure import measure_patching

    task = read_task(settings.corpus, languages=settings.wanted, template=settings.template, split=settings.split)
    task, model = task.select(limit=settings.limit, seed=settings.seed), settings.load_model()
    if settings.design == "concept":
        if settings.site == "head":
            raise ValueError("site 'head' with design 'concept'. Needed: another site, or design 'contrast'.")
        return measure_concepts(model, task, settings.pivot, site=settings.site, anchor=settings.anchors[-1], seed=settings.seed)
    return measure_patching(
        model,
        [pair for code in task.languages for pair in contrasts(task, code, settings.seed)],
        site=settings.site,
        anchors=settings.anchors,
        metric=settings.metric,
        directions=settings.directions,
        method=settings.method,
        steps=settings.steps,
        keep=settings.keep,
        name=task.name,
        seed=settings.seed,
    )
