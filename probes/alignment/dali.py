"""DALI: are the options of a question told apart alike in two languages, at which layers?

Ravisankar et al. 2025, arXiv 2504.09378. The companion of MEXA for tasks: MEXA asks whether a sentence finds its translation among
all, DALI whether a question with one option is nearer to its translation with the same option than with another.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from interp.activations.store import Activations
from interp.own_code import OwnCode
from interp.own_hash import code_hash
from interp.text.corpus import ParallelCorpus, ParallelTask
from probes.alignment.measure import measure_alignment
from probes.alignment.report import AlignmentReport

DALI = "dali"


def options_as_sentences(task: ParallelTask) -> ParallelCorpus:
    """Every question followed by each of its options, as parallel sentences: those of one question stand together, in order.

    Parameters
    ----------
    task
        Questions with options, as many for every question.

    Raises
    ------
    ValueError
        The questions have no options, or not all as many.

    Example
    -------
    >>> import interp
    >>> from probes.alignment.dali import options_as_sentences
    >>> options = {"en": (("It rained.", "It was dry."),)}
    >>> task = interp.ParallelTask("umbrella", {"en": ("Everyone was wet because",)}, {"en": (("It rained.",),)}, options)
    >>> options_as_sentences(task)["eng_Latn"]
    ('Everyone was wet because It rained.', 'Everyone was wet because It was dry.')
    """
    numbers = {len(options) for rows in task.choices.values() for options in rows}
    if len(numbers) != 1:
        said = " and ".join(map(str, sorted(numbers))) or "no"
        raise ValueError(f"task {task.name!r}: got questions with {said} options, expected as many for every question.")
    sentences = {}
    for code in task.languages:
        rows = zip(task.prompts[code], task.choices[code], strict=True)
        sentences[code] = tuple(f"{prompt} {option}" for prompt, options in rows for option in options)
    (count,) = numbers
    ids = tuple(f"{item}#{option}" for item in task.ids for option in range(count))
    documents = tuple(each for each in task.documents or task.ids for _ in range(count))
    return ParallelCorpus(task.name, sentences, ids=ids, documents=documents, origins=task.origins, notes=task.notes)


def measure_dali(
    acts: Activations,
    pivot: str | Sequence[str] = "eng_Latn",
    seed: int = 0,
    resamples: int = 1000,
    random_init: Activations | None = None,
    device: str | None = None,
) -> AlignmentReport:
    """The share of questions whose options are each nearer to their own translation than to that of another option, at each layer.

    For two options a, b: cos(x_a, y_a) and cos(x_b, y_b) both above cos(x_a, y_b) and cos(x_b, y_a); for more, of every two.

    Parameters
    ----------
    acts
        Activations of `options_as_sentences(task)`, from `interp.capture`; the paper pools the last token, or weighs by position.
    pivot, seed, resamples, device
        As in `measure_alignment`.
    random_init
        Activations of the same text in a randomly initialised model; they become the column `random_init`.

    Returns
    -------
    AlignmentReport
        The metric "dali", with a value per question. Its baseline pairs a question with the translation of another one: 1/6 for two
        options where the four cosines are exchangeable, less where one option is nearer to all.

    Raises
    ------
    ValueError
        The activations are of other text, or of fewer than 8 questions.

    Notes
    -----
    When the number misleads. The options of a question share their beginning, so that the four cosines are nearly equal under
    `mean` pooling, and a hair decides. An option that both languages spell alike (a name, a number) is found by its tokens.

    References
    ----------
    Ravisankar et al. 2025, arXiv 2504.09378.

    Example
    -------
    >>> import torch, interp, probes
    >>> states = torch.randn(1, 32, 16, generator=torch.Generator().manual_seed(0))  # 16 questions of two options
    >>> ids = [f"{item}#{option}" for item in range(16) for option in range(2)]
    >>> alike = interp.Activations.from_arrays({"eng_Latn": states, "deu_Latn": states}, ids=ids)
    >>> probes.measure_dali(alike, resamples=50).summary()["estimate"].item()
    1.0
    """
    options = _options(acts.ids)
    score = partial(dali, options=options)
    metric = OwnCode(DALI, score, code_hash(score))
    folded, random = _folded(acts, options), None if random_init is None else _folded(random_init, options)
    return measure_alignment(folded, pivot, (metric,), seed, resamples, random_init=random, device=device)


def dali(
    x: Float[Tensor, "layer source width"], y: Float[Tensor, "layer target width"], options: int
) -> Float[Tensor, "layer source target"]:
    """Whether the options of question i would be told apart alike if question j were its translation: 1 or 0.

    Parameters
    ----------
    x, y
        The questions of two languages, each the vectors of its options one after another.
    options
        Number of options of a question.
    """
    left, right = (torch.nn.functional.normalize(each.unflatten(-1, (options, -1)), dim=-1) for each in (x, y))
    found = torch.ones(len(x), x.shape[1], y.shape[1], dtype=torch.bool, device=x.device)
    cosines = {(a, b): left[:, :, a] @ right[:, :, b].mT for a in range(options) for b in range(options)}
    for a in range(options):
        for b in range(a):
            found &= torch.minimum(cosines[a, a], cosines[b, b]) > torch.maximum(cosines[a, b], cosines[b, a])
    return found.to(x.dtype)


def _options(ids: Sequence[str]) -> int:
    """The number of options of a question, from the ids that `options_as_sentences` gives."""
    items = [name.rpartition("#")[0] for name in ids]
    count = next((place for place, item in enumerate(items) if item != items[0]), len(items))
    if count < 2 or items != [items[start] for start in range(0, len(items), count) for _ in range(count)]:
        raise ValueError(f"got activations of {ids[0]!r}, {ids[1]!r}, ..., expected those of options_as_sentences(task).")
    return count


def _folded(acts: Activations, options: int) -> Activations:
    """One row a question, the vectors of its options one after another."""
    return Activations.from_arrays(
        {code: acts[code].unflatten(1, (-1, options)).flatten(2) for code in acts.languages},
        site=acts.site,
        pooling=acts.pooling,
        layers=acts.layers,
        ids=[name.rpartition("#")[0] for name in acts.ids[::options]],
        documents=acts.documents[::options] if acts.documents else None,
        signature=acts.signature,
    )
