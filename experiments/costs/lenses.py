"""The work in reading prompts through a lens, in training one, and in counting neurons."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from experiments.costs.cost import Work, size_of, total
from experiments.costs.counting import cut, forward, reading, rechecking

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelCorpus
    from probes.lens.latent_language import LatentLanguageStudy

_SENTENCES, _TOKENS, _HELD_OUT, _TOGETHER = 8, 128, 0.1, 8
"""Of `interp.train_lens`: sentences of each language in a step, their length, the share held out, texts scored together."""


def labels_read(model: TransformerBridge, prompts: Sequence[Sequence[str]], controls: bool) -> list[Work]:
    """The work of reading several lists of prompts at every layer, in the model and, for `controls`, with random weights."""
    from interp.models.tokens import prompt_ids

    lengths = [[len(ids) for ids in prompt_ids(model.tokenizer, list(each))] for each in prompts]
    work = total("read every prompt", (reading(model, "", each) for each in lengths))
    readout = 4 * 3 * min(model.cfg.d_vocab * 64, 2**26)  # three distributions over the vocabulary
    work = replace(work, held=work.held + readout)
    again = replace(work, what="read them with random weights", held=work.held + size_of(model).bytes)
    return [work, again] if controls else [work]


def words_read(study: LatentLanguageStudy) -> list[Work]:
    """The work of a study of words, on an outline."""
    sets = [job.words for job in study.jobs() if job.weights == "trained"]
    return labels_read(study.model, [[each.prompts.prompts[row] for row in each.rows] for each in sets], study.controls)


def lens_trained(model: TransformerBridge, corpus: ParallelCorpus, steps: int) -> list[Work]:
    """The work of training a tuned lens: the model itself only reads; its readout, which is trained through, is not counted."""
    from interp.activations.sinks import reference_texts
    from interp.models.tokens import prompt_ids

    texts = {code: [min(_TOKENS, len(ids)) for ids in prompt_ids(model.tokenizer, corpus[code])] for code in corpus.languages}
    longest = max(map(max, texts.values()))
    step = forward(model, _SENTENCES * len(texts), longest)
    held = max(1, round(len(corpus) * _HELD_OUT))
    score = [
        forward(model, min(_TOGETHER, held - start), max(each)) for each in texts.values() for start in range(0, held, _TOGETHER)
    ]
    found = [len(text.ids) for text in reference_texts(model)]
    square = 4 * model.cfg.n_layers * model.cfg.d_model * (model.cfg.d_model + 1)
    return [
        forward(model, len(found), max(found)),
        replace(step.times(steps), what="train the lens", bound="at most", held=step.held + 3 * square, stored=square),
        replace(total("", score).times(2), what="score the lens", bound="at most"),
    ]


def neurons_counted(model: TransformerBridge, corpus: ParallelCorpus, random_init: bool) -> list[Work]:
    """The work of `interp.count_neurons`, also with random weights."""
    from interp.activations.spans import spans

    lengths = [cut(model, (len(span.ids) for span in spans(model.tokenizer, corpus[code]))) for code in corpus.languages]
    work = total("count neurons", (reading(model, "", each) for each in lengths))
    width = model.cfg.d_mlp or 4 * model.cfg.d_model
    work = replace(work, stored=3 * 4 * 8 * len(lengths) * model.cfg.n_layers * width)
    checks = rechecking(model, len(lengths) * (1 + random_init), max(map(max, lengths)), each=1)
    again = replace(work, what="count them with random weights", held=work.held + size_of(model).bytes)
    return [work, again, checks] if random_init else [work, checks]
