"""How an instruction becomes text, and which of its tokens are learned: the papers' templates as data, and exact label masks."""

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
"""Which tokens carry loss: the answer alone, or the whole line (mFTI's default, and plain text)."""


@dataclass(frozen=True)
class Template:
    """One prompt format: `{instruction} {input} {source} {target}` are filled in; `joint` opens every answer, `close` ends it.

    `{source}` and `{target}` are English names, `{source_itself}` and `{target_itself}` the languages' own. `without_input`
    is used where an example has no input. `paper` says where the format comes from.
    """

    with_input: str
    without_input: str
    joint: str
    paper: str
    close: str = ""

    def prompt(self, example: Example) -> str:
        """What the model reads."""
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
        """What the model is to write."""
        return self.joint + example.answer + self.close

    @property
    def stop(self) -> str:
        """Where to cut what a model writes: at the closing sign, else at the end of the line."""
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
    """A template by name. Raises `ValueError`, listing the names, where there is none."""
    if name not in TEMPLATES:
        raise ValueError(f"unknown template {name!r}. Needed: one of {', '.join(TEMPLATES)}.{nearest(name, TEMPLATES)}")
    return TEMPLATES[name]


@dataclass(frozen=True)
class Encoded:
    """Examples as token ids. `labels` repeat `ids` where loss is taken and hold -100 elsewhere.

    `truncated` answers lost their end (and so have no end-of-text), `dropped` ids lost the whole answer, `seams` counts
    examples whose prompt and answer would have melted into one token had they been written as one text.
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
    """Token ids and labels of every example, the prompt exactly as it is tokenized when the model is later asked.

    The prompt is tokenized alone, as at inference, and the answer as it stands behind it (`generation.continuation`), so the
    mask is a slice of ids and right for every tokenizer. End-of-text closes every answer. Longer than `max_length`: cut at
    the end.
    """
    if tokenizer.eos_token_id is None:
        raise ValueError("the tokenizer has no end-of-text token, so answers would never end. Set tokenizer.eos_token and save it.")
    if not examples:
        raise ValueError("an empty mixture: there is no example to tune on. Needed: at least one.")
    prompts, answers = [form.prompt(each) for each in examples], [form.answer(each) for each in examples]
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
        raise ValueError(f"all {len(examples)} examples lost their answer at max_length {max_length}. Raise max_length.")
    return Encoded(tuple(ids), tuple(labels), tuple(kept), tuple(dropped), truncated, seams)
