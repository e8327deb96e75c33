"""Which tokens a tuning run could move, and why: they stand in the prompt, in both languages, or in one of them alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from interp.models.batches import encode
from interp.models.load import TransformerBridge
from interp.models.tokens import prompt_ids
from interp.tuning import Mixture, Template

GROUPS = ("instruction", "shared", "only target", "only source", "other")


def group_tokens(model: TransformerBridge, mixture: Mixture, form: Template) -> np.ndarray:
    """The group of every token id, as a place in `GROUPS`.

    `instruction` is the text around the sentence (the prompt of the same examples less their inputs); `shared` stands in
    inputs and answers, `only source` and `only target` in one of them; `other` in none. Tokens are looked up in the
    sentences as they stand in the prompt, after a space, and alone: a word has different tokens in different places.
    """
    inputs = _tokens(model, (each.input for each in mixture.examples))
    answers = _tokens(model, (form.joint + each.answer + form.close for each in mixture.examples))
    prompts = {form.prompt(each).replace(each.input, "") if each.input else form.prompt(each) for each in mixture.examples}
    frame = {token for ids in prompt_ids(model.tokenizer, sorted(prompts)) for token in ids}
    found = np.full(model.embed.original_component.weight.shape[0], GROUPS.index("other"))
    for name, tokens in (("only source", inputs - answers), ("only target", answers - inputs), ("shared", inputs & answers),
                         ("instruction", frame)):  # fmt: skip
        found[sorted(tokens)] = GROUPS.index(name)
    return found


def token_frequencies(sequences: Iterable[Sequence[int]], size: int) -> np.ndarray:
    """How often each token id stands in some sequences."""
    counts = Counter(token for ids in sequences for token in ids)
    return np.array([counts[token] for token in range(size)])


def _tokens(model: TransformerBridge, texts: Iterable[str]) -> set[int]:
    texts = list(texts)
    spellings = [*texts, *(f" {text}" for text in texts), *(f'"{text}"' for text in texts)]
    return {token for ids in encode(model, spellings, special=False) for token in ids}
