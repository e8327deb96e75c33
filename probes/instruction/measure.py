"""At which layer does the model read the target-language tag of a translation prompt?

The tag is what a template writes for {target} or {target_itself}: "[German]:", `Deutsch: "`. Behaviour: the tag is replaced by that
of another language, by a placeholder or by nothing, and the language of the output judged. Cause: the residual stream at the tag
is patched from a prompt that differs in the tag alone, layer by layer; from the layer on at which that no longer changes the
answer, the tag has been read.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Literal

import numpy as np
import pandas as pd
from tqdm.auto import tqdm

from interp.generation.generate import generate
from interp.interventions.patching import Edit, activations, run_edits
from interp.interventions.prompts import Prompt, Question, marked, question, untouched
from interp.models.load import TransformerBridge, identify
from interp.provenance import Signature
from interp.text.corpus import ParallelCorpus
from interp.tuning import Example, Template, template, translations
from interp.tuning.sources import TRANSLATE
from probes.instruction.report import InstructionReport, Place
from probes.report import with_receipts
from probes.translation.language_id import Judge, by_script
from probes.translation.measure import room_for_answers

_TAGS = ("{target}", "{target_itself}")
"""Fields of a template that name the target language."""


@dataclass(frozen=True)
class _Pair:
    """One sentence with prompts for two languages, and the right answer in each.

    `prompt` asks for the target language, `other_prompt` for the other; both mark the tokens of their tag. `sentence` is the
    positions of the source sentence.
    """

    item: str
    prompt: Prompt
    other_prompt: Prompt
    answer: Question
    other_answer: Question
    sentence: tuple[int, ...]


@with_receipts
def measure_instruction(
    model: TransformerBridge,
    corpus: ParallelCorpus,
    triples: Sequence[tuple[str, str, str]],
    *,
    form: str = "quoted",
    mask: str = "...",
    judge: Judge = by_script,
    blocks: Sequence[int] | None = None,
    keep: Literal["right", "all"] = "right",
    resamples: int = 1000,
    seed: int = 0,
    progress: bool = True,
) -> InstructionReport:
    """At which layer does the model read the target-language tag of a translation prompt?

    Behaviour: which language is written when the tag is swapped, masked or deleted. Cause: the residual stream after each block is
    patched from the prompt that asks for the other language into the one that asks for the target.

    Parameters
    ----------
    model
        A model from `interp.load` that translates; tuned or not.
    corpus
        Parallel text in all the languages. The question is about the language, not the words: take words that the model knows.
    triples
        (source, target, other): prompts ask for `target`, the changed and the patched ones for `other`.
    form
        Prompt form, one of `interp.tuning.TEMPLATES` that names the target; take the template of its tuning for a tuned model.
    mask
        Text in place of a masked tag.
    judge
        Whether an output is in a language. `by_script` takes German for English: give `learn_languages(...).judge` where languages
        share a script.
    blocks
        Blocks after which to patch, 0 to N-1; None is all.
    keep
        "right" patches only the items for which each of the two prompts prefers the answer in the language it names; "all"
        patches the others too, whose effect is hard to interpret.
    resamples
        Bootstrap resamples of the items behind each 95 % confidence interval.
    seed
        Of the resamples and of the positions of the control "tag, wrong place".
    progress
        Show a progress bar.

    Returns
    -------
    InstructionReport
        `effect` is 0 where the answer is as without patching, and 1 where it is as with the other language's prompt. It is
        measured by the log-probability (nats) of the right answer in `other` minus that in `target`.

    Raises
    ------
    ValueError
        Where the template does not name the target, or no item is left to patch.

    Notes
    -----
    A patched tag carries more than a language (its spelling, its length). The effect of one position does not tell that of several
    together. A tag whose word also stands in the text may be copied rather than read.

    Examples
    --------
    >>> import interp, probes
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn", "rus_Cyrl"]).select(limit=3, seed=0)
    >>> triples = [("eng_Latn", "deu_Latn", "rus_Cyrl")]
    >>> model = interp.load("bundled", dtype="float32")
    >>> report = probes.measure_instruction(model, corpus, triples, blocks=[0], keep="all", resamples=10, progress=False)
    >>> list(report.read_at()["place"])
    ['tag', 'last']
    """
    shape = tagged_template(form)
    written, patched, notes = [], [], []
    for triple in tqdm(triples, desc="instruction", unit="direction", disable=not progress):
        written.append(_written(model, corpus, triple, shape, mask, judge))
        frame, left_out = _patched(model, corpus, triple, shape, blocks, keep, seed)
        patched.append(frame)
        if left_out:
            pair = f"{'>'.join(triple[:2])} patched with {triple[2]}"
            notes.append(f"{pair}: {left_out} of {len(corpus)} items prefer the wrong language before patching and are left out")
    if all(frame.empty for frame in patched):
        raise ValueError(
            f"got no item, of {len(corpus)}, for which both prompts prefer the language they name, expected one at least. "
            "Take text that the model translates, or keep='all'."
        )
    table = pd.concat([*written, *patched], ignore_index=True)
    signed = {"form": form, "mask": mask, "keep": keep, "boot": resamples, "seed": seed}
    return InstructionReport(
        table,
        Signature("instruction", identify(model), corpus.identity, signed),
        settings={"resamples": resamples, "seed": seed},
        notes=tuple(notes),
    )


def tagged_template(form: str) -> Template:
    """The prompt form called `form`. Raises `ValueError` where there is none, or it does not name the target language."""
    shape = template(form)
    if not any(field in shape.with_input for field in _TAGS):
        raise ValueError(f"got template {form!r}, expected one that names the target language, such as mfti-1 or quoted.")
    return shape


def _written(
    model: TransformerBridge, corpus: ParallelCorpus, triple: tuple[str, str, str], shape: Template, mask: str, judge: Judge
) -> pd.DataFrame:
    """What is written under every change of the tag, and in which of the three languages it may be."""
    source, target, other = triple
    own, others = (_examples(corpus, source, code) for code in (target, other))
    masked, deleted = _tagged(shape, lambda field: mask), _tagged(shape, lambda field: "")
    forms = {"as it is": shape, "swapped": shape, "masked": masked, "deleted": deleted}
    frames = []
    for change, form in forms.items():
        prompts = [form.prompt(example) for example in (others if change == "swapped" else own)]
        limit = room_for_answers(model, prompts, [shape.answer(example) for example in (*own, *others)])
        outputs = [output.strip() for output in generate(model, prompts, max_new_tokens=limit, stop=shape.stop)]
        judged = {name: judge(outputs, code) for name, code in (("in_target", target), ("in_other", other), ("in_source", source))}
        frames.append(pd.DataFrame({"kind": "written", "source": source, "target": target, "other": other, "change": change,
                                    "item": [example.item for example in own], "hypothesis": outputs, **judged}))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _patched(
    model: TransformerBridge, corpus: ParallelCorpus, triple: tuple[str, str, str], shape: Template,
    blocks: Sequence[int] | None, keep: Literal["right", "all"], seed: int,
) -> tuple[pd.DataFrame, int]:  # fmt: skip
    """The effect of patching every place and block in every item kept; and how many items were left out."""
    source, target, other = triple
    own, others = (_examples(corpus, source, code) for code in (target, other))
    pairs = [_pair(model, own_example, other_example, shape) for own_example, other_example in zip(own, others, strict=True)]
    layers = list(range(model.cfg.n_layers)) if blocks is None else list(blocks)
    ends = [(_preference(model, pair.prompt, pair), _preference(model, pair.other_prompt, pair)) for pair in pairs]
    chosen = [row for row, (before, after) in enumerate(ends) if keep == "all" or before < 0 < after]
    rng, rows = np.random.default_rng(seed), []
    for row in chosen:
        pair, (before, after) = pairs[row], ends[row]
        patched = _patched_preferences(model, pair, _edits(model, pair, pairs[(row + 1) % len(pairs)], layers, rng))
        rows += [{"kind": "patched", "source": source, "target": target, "other": other, "item": pair.item, "place": place,
                  "layer": layer, "effect": (value - before) / (after - before), "flipped": float(value > 0)}
                 for place, values in patched for layer, value in zip(layers, values, strict=True)]  # fmt: skip
    return pd.DataFrame(rows), len(pairs) - len(chosen)


def _patched_preferences(
    model: TransformerBridge, pair: _Pair, edits: dict[Place, list[Edit]]
) -> Iterator[tuple[Place, list[float]]]:
    """The preference under every edit, by place. Edits that leave the tokens before the tag as they are run together, so that
    the model reads that prefix once."""
    start = min(pair.prompt.span)
    for late in (True, False):
        places = [place for place, own in edits.items() if (min(own[0].positions) >= start) == late]
        if not places:
            continue
        values = iter(_preferences(model, pair.prompt, [edit for place in places for edit in edits[place]], pair))
        for place in places:
            yield place, list(islice(values, len(edits[place])))


def _edits(
    model: TransformerBridge, pair: _Pair, neighbour: _Pair, layers: Sequence[int], rng: np.random.Generator
) -> dict[Place, list[Edit]]:
    """One edit per layer for every place. Tags of unequal length are aligned at their ends."""
    tag, last = pair.prompt.span, (len(pair.prompt.ids) - 1,)
    elsewhere = tuple(sorted(rng.choice(pair.sentence, min(len(pair.sentence), len(tag)), replace=False).tolist()))
    places: dict[Place, tuple[Prompt, tuple[int, ...], tuple[int, ...]]] = {
        "tag": (pair.other_prompt, tag, pair.other_prompt.span),
        "last": (pair.other_prompt, last, (len(pair.other_prompt.ids) - 1,)),
        "tag, other sentence": (neighbour.other_prompt, tag, neighbour.other_prompt.span),
        "tag, same language": (neighbour.prompt, tag, neighbour.prompt.span),
        "tag, wrong place": (pair.other_prompt, elsewhere, pair.other_prompt.span),
    }
    donors = {prompt.ids: activations(model, prompt.ids, "residual_post", layers) for prompt, _, _ in places.values()}
    return {
        place: [Edit(layer, target, donors[prompt.ids][layer][_aligned(target, source)]) for layer in layers]
        for place, (prompt, target, source) in places.items()
    }


def _aligned(target: Sequence[int], source: Sequence[int]) -> list[int]:
    """For every position of `target` that of `source`, counted from their ends; the first where `source` is shorter."""
    return [source[max(len(source) - len(target) + index, 0)] for index in range(len(target))]


def _pair(model: TransformerBridge, own: Example, other: Example, shape: Template) -> _Pair:
    prompt, other_prompt = (marked(model, _tagged(shape, "[[{}]]".format).prompt(example)) for example in (own, other))
    answer, other_answer = (question(model, prompt, "logprob", shape.answer(example)) for example in (own, other))
    inside = marked(model, replace(shape, with_input=shape.with_input.replace("{input}", "[[{input}]]")).prompt(own))
    return _Pair(own.item, prompt, other_prompt, answer, other_answer, inside.span)


def _preference(model: TransformerBridge, prompt: Prompt, pair: _Pair) -> float:
    """The log-probability (nats) of the right answer in the other language minus that in the target language."""
    other, own = (float(scored.read(untouched(model, prompt.ids, scored.tail))[0]) for scored in (pair.other_answer, pair.answer))
    return other - own


def _preferences(model: TransformerBridge, prompt: Prompt, edits: list[Edit], pair: _Pair) -> list[float]:
    """The same under every edit."""
    questions = (pair.other_answer, pair.answer)
    other, own = (scored.read(run_edits(model, prompt.ids, edits, "residual_post", scored.tail)) for scored in questions)
    return (other - own).tolist()


def _examples(corpus: ParallelCorpus, source: str, target: str) -> tuple[Example, ...]:
    return translations(corpus, [(source, target)], instructions=(TRANSLATE[0],)).examples


def _tagged(shape: Template, replaced: Callable[[str], str]) -> Template:
    """The template with what `replaced` makes of each field that names the target."""
    text = shape.with_input
    for field in _TAGS:
        text = text.replace(field, replaced(field))
    return replace(shape, with_input=text)
