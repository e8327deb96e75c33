"""From examples to token ids: the prompt formats of the papers, and which tokens have a loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import TYPE_CHECKING, Literal

from interp.generation.continuation import continue_prompts
from interp.languages import language, nearest
from interp.models.tokens import IGNORED
from interp.tuning.mixtures import Example

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerBase

Mask = Literal["answer", "all"]
"""Which tokens have a loss: those of the answer, or all (the default of mFTI, and for plain text)."""


@dataclass(frozen=True)
class Template:
    """A prompt format.

    Parameters
    ----------
    with_input
        Format of the prompt. `{instruction}`, `{input}`, `{source}` and `{target}` (English language names) and
        `{source_itself}` and `{target_itself}` (the names in the languages themselves) are filled in.
    without_input
        Format of the prompt of an example without input.
    joint
        Text between prompt and answer, learned with the answer: a space, for instance.
    paper
        Where the format comes from.
    close
        Text at the end of every answer.

    Example
    -------
    >>> from interp.tuning import Example, template
    >>> template("mfti-1").prompt(Example("1", "", "The cat sleeps.", "Die Katze schläft.", "en", "de", "cat"))
    'Translation: [English]: The cat sleeps. [German]:'
    """

    with_input: str
    without_input: str
    joint: str
    paper: str
    close: str = ""

    def prompt(self, example: Example) -> str:
        """The prompt of `example`."""
        form = self.with_input if example.input else self.without_input
        return form.format(
            instruction=example.instruction,
            input=example.input,
            source=language(example.source).name,
            target=language(example.target).name,
            source_itself=language(example.source).autonym,
            target_itself=language(example.target).autonym,
        )

    def answer(self, example: Example) -> str:
        """The answer of `example`, as the model is to write it."""
        return self.joint + example.answer + self.close

    @property
    def stop(self) -> str:
        """The text at which to cut a generated answer: `close`, or the end of the line if there is none."""
        return self.close or "\n"


def _alpaca(newline: str, paper: str) -> Template:
    asks = "Below is an instruction that describes a task"
    writes = "Write a response that appropriately completes the request."
    paired = f"{asks}, paired with an input that provides further context. {writes}"
    instruction, response = f"{newline}### Instruction:\n{{instruction}}", f"{newline}### Response:"
    return Template(
        with_input=f"{paired}{instruction}{newline}### Input:\n{{input}}{response}",
        without_input=f"{asks}. {writes}{instruction}{response}",
        joint="",
        paper=paper,
    )


def _mfti(form: str, paper: str = "arXiv 2305.15083") -> Template:
    return Template(form, form, " ", paper)


TEMPLATES = MappingProxyType(
    {
        "alpaca": _alpaca("\n\n", "Taori et al. 2023; CoIT and MuIT, arXiv 2308.04948"),
        "parrot": _alpaca("\n", "vocabulary sharing, arXiv 2311.09071"),
        "question": Template("{input}\n{instruction}\n", "{instruction}\n", "", "spontaneous learners, arXiv 2405.13816"),
        "mfti-1": _mfti("Translation: [{source}]: {input} [{target}]:"),
        "mfti-2": _mfti("Translation: {input} [{target}]:"),
        "mfti-3": _mfti("{input} Translate from [{source}] to [{target}]:"),
        "mfti-4": _mfti("{input} Translate to [{target}]:"),
        "mfti-5": _mfti("The {target} translation of {source} sentence '{input}' is:"),
        "mfti-6": _mfti("The {target} translation of the sentence '{input}' is:"),
        "mfti-own": _mfti(
            "Translation: [{source_itself}]: {input} [{target_itself}]:",
            "this project: mfti-1 with every language named by itself, as the bundled model knows them",
        ),
        "bare": Template("{instruction}\n{input}\n", "{instruction}\n", "", "this project, for models with a short context"),
        "quoted": Template(
            '{source_itself}: "{input}" - {target_itself}: "',
            "{instruction}",
            "",
            "Wendler et al. 2024; the bundled model's own",
            close='"',
        ),
        "named": Template(
            '{source}: "{input}" - {target}: "',
            "{instruction}",
            "",
            "this project: the bundled model's form with English names for languages, so a form new to it",
            close='"',
        ),
        "text": Template("{input}", "", "", "plain causal language modelling"),
    }
)


def template(name: str) -> Template:
    """The template called `name`, one of `TEMPLATES`. Raises `ValueError` with the names if there is none.

    Example
    -------
    >>> from interp.tuning import template
    >>> template("mfti-1").with_input
    'Translation: [{source}]: {input} [{target}]:'
    """
    if name not in TEMPLATES:
        raise ValueError(f"got template {name!r}, expected one of {', '.join(TEMPLATES)}.{nearest(name, TEMPLATES)}")
    return TEMPLATES[name]


@dataclass(frozen=True)
class Encoded:
    """Examples as token ids.

    Parameters
    ----------
    ids
        Token ids of each example: prompt, answer, end of text.
    labels
        The same ids where there is a loss, else -100.
    kept
        Id of each example.
    dropped
        Ids of the examples left out, because none of their answer fits.
    truncated
        Number of answers whose end, with the end of text, was cut.
    seams
        Number of examples where tokenizing prompt and answer as one text would merge their border into one token.
    """

    ids: tuple[tuple[int, ...], ...]
    labels: tuple[tuple[int, ...], ...]
    kept: tuple[str, ...]
    dropped: tuple[str, ...]
    truncated: int
    seams: int

    def __len__(self) -> int:
        return len(self.ids)


def encode_examples(
    tokenizer: PreTrainedTokenizerBase, examples: Sequence[Example], form: Template, max_length: int, mask: Mask = "answer"
) -> Encoded:
    """Tokenize examples for training. The prompt is tokenized alone, as at inference.

    Parameters
    ----------
    tokenizer
        The tokenizer of the model. It must have an end-of-text token, which ends every answer.
    examples
        The examples, at least one.
    form
        The prompt format, from `template`.
    max_length
        Longest example in tokens. Longer ones are cut at the end, or dropped if none of the answer is left.
    mask
        Which tokens have a loss: "answer", or "all" except the first, which nothing predicts.

    Returns
    -------
    Encoded
        `ids` and `labels` per example, and which examples were cut or dropped.

    Raises
    ------
    ValueError
        No example, no end-of-text token, or `max_length` leaves no answer.

    Example
    -------
    >>> import interp
    >>> from interp.tuning import Example, encode_examples, template
    >>> example = Example("1", "Name a colour.", "", "Blue.", "en", "en", "colour")
    >>> data = encode_examples(interp.load("bundled").tokenizer, [example], template("bare"), max_length=64)
    >>> [token for token in data.labels[0] if token != -100] == list(data.ids[0])[-sum(t != -100 for t in data.labels[0]) :]
    True
    """
    if tokenizer.eos_token_id is None:
        raise ValueError(
            "got a tokenizer without an end-of-text token, expected one, or answers would never end. "
            "Set tokenizer.eos_token and save it."
        )
    if not examples:
        raise ValueError("got an empty mixture, expected at least one example to tune on.")
    prompts, answers = [form.prompt(example) for example in examples], [form.answer(example) for example in examples]
    ids, labels, kept, dropped, truncated, seams = [], [], [], [], 0, 0
    for example, (question, reply, melted) in zip(examples, continue_prompts(tokenizer, prompts, answers), strict=True):
        start = len(question)
        seams += melted
        text = [*question, *reply, tokenizer.eos_token_id]
        if start >= max_length or not reply:
            dropped.append(example.id)
            continue
        truncated += len(text) > max_length
        text = text[:max_length]
        ids.append(tuple(text))
        hidden = max(1, 0 if mask == "all" else start)  # nothing predicts the first token
        labels.append(tuple([IGNORED] * hidden + text[hidden:]))
        kept.append(example.id)
    if not ids:
        raise ValueError(
            f"got max_length {max_length}, expected more: all {len(examples)} examples lose their answer. Raise max_length."
        )
    return Encoded(tuple(ids), tuple(labels), tuple(kept), tuple(dropped), truncated, seams)
