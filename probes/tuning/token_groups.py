"""Tokens of tuning data by where they occur: in the instruction, in both languages, or in one of them."""

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
    """The group of every token id, as an index into `GROUPS`.

    Parameters
    ----------
    model
        Its tokenizer splits the texts.
    mixture
        The tuning data. Tokens of its inputs and answers are "shared" where they occur in both, else "only source" or
        "only target". Texts are tokenized at the start, after a space and after a quotation mark, because a word has different
        tokens there.
    form
        The prompt template. Tokens of the prompt without its input are "instruction", whatever else they are.

    Returns
    -------
    np.ndarray
        One index for each row of the input embedding; tokens that do not occur are "other".
    """
    inputs = _tokens(model, (example.input for example in mixture.examples))
    answers = _tokens(model, (form.joint + example.answer + form.close for example in mixture.examples))
    prompts = {
        form.prompt(example).replace(example.input, "") if example.input else form.prompt(example) for example in mixture.examples
    }
    instruction = {token for ids in prompt_ids(model.tokenizer, sorted(prompts)) for token in ids}
    groups = np.full(model.embed.original_component.weight.shape[0], GROUPS.index("other"))
    for name, tokens in (("only source", inputs - answers), ("only target", answers - inputs), ("shared", inputs & answers),
                         ("instruction", instruction)):  # fmt: skip
        groups[sorted(tokens)] = GROUPS.index(name)
    return groups


def token_frequencies(sequences: Iterable[Sequence[int]], size: int) -> np.ndarray:
    """How often each token id below `size` occurs in `sequences`."""
    counts = Counter(token for ids in sequences for token in ids)
    return np.array([counts[token] for token in range(size)])


def _tokens(model: TransformerBridge, texts: Iterable[str]) -> set[int]:
    texts = list(texts)
    spellings = [*texts, *(f" {text}" for text in texts), *(f'"{text}"' for text in texts)]
    return {token for ids in encode(model, spellings, special=False) for token in ids}
