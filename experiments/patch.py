"""`interp patch`: which component causes the answer?"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.settings.settings import Settings

if TYPE_CHECKING:
    from experiments.costs.cost import Work
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelTask
    from probes.report import Report


@dataclass(frozen=True)
class PatchSettings(Settings):
    """Which component causes the answer?

    `--design contrast` pairs each question with another one of the same kind and language, and copies activations from one run into
    the other, layer by layer. `--design concept` asks whether a concept can be moved without its language. It patches between
    languages, and compares with patching within a language (upper bound) and with patching another concept (control).

    Example: interp patch --languages de --limit 40 --output runs/patch
    """

    corpus: str = "cldr:facts"
    """Questions with answers: a file or folder, or the built-in "cldr:facts"."""
    output: Path = Path("runs/patch")
    """Run folder to write."""
    design: Literal["contrast", "concept"] = "contrast"
    """contrast: two prompts of one language. concept: patch the concept and the language separately."""
    site: Literal["residual_post", "residual_pre", "residual_mid", "attention", "mlp", "head"] = "residual_post"
    """Activation to patch. head: each attention head separately (contrast only)."""
    anchors: tuple[Literal["last", "span", "span_mean"], ...] = ("span", "last")
    """Token positions to patch. last: the last token of the prompt. span: the last token of the part that differs between the
    prompts. span_mean: all tokens of that part. The concept design uses only the last value given."""
    metric: Literal["logit_difference", "logprob", "kl"] = "logit_difference"
    """What patching is measured on (contrast)."""
    directions: tuple[Literal["denoise", "noise"], ...] = ("denoise", "noise")
    """denoise: patch clean into corrupt (is the component sufficient?). noise: patch corrupt into clean (is it necessary?)."""
    method: Literal["exact", "attribution"] = "exact"
    """exact: patch every component. attribution: estimate from gradients, and check a random share by exact patching (contrast)."""
    steps: int = 1
    """Integration steps of the gradient between the two prompts (attribution). More than 1 requires prompts of equal length."""
    keep: Literal["right", "all"] = "right"
    """right: keep only the pairs that the model answers correctly on both sides. all: keep all pairs."""
    template: str | dict[str, str] | None = None
    """Prompt template, with field names in braces: one for all languages, or one for each."""
    chat: bool = False
    """Write every prompt as the user's message in the chat template of the tokenizer: the model answers as the assistant."""
    split: str | None = None
    """Split of the corpus, if it has several."""

    def read_task(self, model: TransformerBridge) -> ParallelTask:
        """The questions, at most `limit` of them, as they are asked of `model`."""
        from interp.text.chat import chat_task
        from interp.text.read import read_task

        task = read_task(self.corpus, languages=self.wanted, template=self.template, split=self.split, columns=self.chosen_columns)
        task = task.select(limit=self.limit, seed=self.seed)
        return chat_task(model.tokenizer, task) if self.chat else task


def run(settings: PatchSettings) -> Report:
    """Build the pairs and patch them."""
    from probes.patching.concepts import measure_concepts
    from probes.patching.contrasts import contrasts
    from probes.patching.measure import measure_patching

    model = settings.load_model()
    task = settings.read_task(model)
    if settings.design == "concept":
        assert settings.site != "head"  # as `check` saw
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
        folder=settings.output / "items",
    )


def check(settings: PatchSettings) -> None:
    """Raise `ValueError` for heads in the concept design, and for one with no language beside the pivot."""
    if settings.design == "concept":
        if settings.site == "head":
            raise ValueError("got site 'head' with design 'concept', expected another site. Use design 'contrast' for heads.")
        if settings.languages:
            settings.others()


def work(settings: PatchSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run if no pair is left out: every component is patched in a row of its own.

    Of many items a sample is counted.
    """
    from experiments.costs.patches import concepts_patched, contrasts_patched, sampled
    from probes.patching.contrasts import contrasts

    task = settings.read_task(model)
    if settings.design == "concept":
        return concepts_patched(model, task, settings.pivot, settings.anchors[-1], settings.seed)
    task, factor = sampled(task, settings.seed)
    pairs = [pair for code in task.languages for pair in contrasts(task, code, settings.seed)]
    if not pairs:
        raise ValueError(
            f"task {task.name!r}: got {len(task)} questions, of which none has a partner of its kind with another answer, expected "
            "some. Raise --limit, or leave it out."
        )
    return contrasts_patched(settings, model, pairs, factor)
