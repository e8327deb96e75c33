"""Where does the prompt say which language to write, and at which layer is it read there? The target's tag is changed, and patched.

The tag is what a template writes for {target} or {target_itself}: "[German]:", `Deutsch: "`. Behaviour: the tag of another
language, a placeholder or nothing in its place, and which language is then written. Cause: what one prompt holds at its tag
is put into a prompt that differs in the tag alone, layer by layer; where that no longer turns the answer, the tag has been read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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


@dataclass(frozen=True)
class _Asked:
    """One sentence asked for in one language and in another: the prompts with their tags marked, and both right answers."""

    item: str
    asked: Prompt
    other: Prompt
    right: Question
    turned: Question
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
    """Which language is written when the target's tag is changed, and in which layers is the tag still what decides?

    `triples` are (source, target, other): prompts ask for `target`, the changed and the patched ones for `other`. Behaviour is
    over all items. Patching puts the residual stream behind each block from the prompt that asks for `other` into the one
    that asks for `target`: 0 where the answer is as before, 1 where it is as `other`'s prompt gives it; read from how much
    more probable (nats) the right answer in `other` is than that in `target`. Items where either untouched prompt prefers
    the wrong language are left out of patching (`keep` "all" leaves them in): there is no reading to be found.

    When it misleads: a patched tag carries more than a language (its spelling, its length); the effect of one place says
    nothing of several; and a template that names the languages by a word shared with the text may be copied, not read.
    """
    shape = template(form)
    if not any(field in shape.with_input for field in ("{target}", "{target_itself}")):
        raise ValueError(f"template {form!r} does not name the target language. Needed: one that does, mfti-1 or quoted.")
    written, patched, notes = [], [], []
    for triple in tqdm(triples, desc="instruction", unit="direction", disable=not progress):
        written.append(_written(model, corpus, triple, shape, mask, judge))
        frame, left_out = _patched(model, corpus, triple, shape, blocks, keep, seed)
        patched.append(frame)
        if left_out:
            what = f"{'>'.join(triple[:2])} patched with {triple[2]}"
            notes.append(f"{what}: {left_out} of {len(corpus)} items prefer the wrong language as they are, and are left out")
    if all(frame.empty for frame in patched):
        raise ValueError(
            f"both prompts prefer the language they name for none of {len(corpus)} items. Needed: one at least, or keep='all'."
        )
    table = pd.concat([*written, *patched], ignore_index=True)
    how = {"form": form, "mask": mask, "keep": keep, "boot": resamples, "seed": seed}
    return InstructionReport(
        table,
        Signature("instruction", identify(model), corpus.identity, how),
        settings={"resamples": resamples, "seed": seed},
        notes=tuple(notes),
    )


def _written(
    model: TransformerBridge, corpus: ParallelCorpus, triple: tuple[str, str, str], shape: Template, mask: str, judge: Judge
) -> pd.DataFrame:
    """What is written under every change of the tag, and in which of the languages at hand it may be."""
    source, target, other = triple
    own, turned = (_examples(corpus, source, code) for code in (target, other))
    forms = {"as it is": shape, "swapped": shape, "masked": _without_tag(shape, mask), "deleted": _without_tag(shape, "")}
    frames = []
    for change, worded in forms.items():
        examples = turned if change == "swapped" else own
        prompts = [worded.prompt(each) for each in examples]
        most = room_for_answers(model, prompts, [shape.answer(each) for each in (*own, *turned)])
        said = [one.strip() for one in generate(model, prompts, max_new_tokens=most, stop=shape.stop)]
        found = {name: judge(said, code) for name, code in (("in_target", target), ("in_other", other), ("in_source", source))}
        frames.append(pd.DataFrame({"kind": "written", "source": source, "target": target, "other": other, "change": change,
                                    "item": [each.item for each in own], "hypothesis": said, **found}))  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _patched(
    model: TransformerBridge, corpus: ParallelCorpus, triple: tuple[str, str, str], shape: Template,
    blocks: Sequence[int] | None, keep: Literal["right", "all"], seed: int,
) -> tuple[pd.DataFrame, int]:  # fmt: skip
    """The effect of every place and block for every item that both prompts get into the right language; how many are not so."""
    source, target, other = triple
    asked = [_ask(model, *pair, shape) for pair in zip(*(_examples(corpus, source, code) for code in (target, other)), strict=True)]
    layers = list(range(model.cfg.n_layers)) if blocks is None else list(blocks)
    ends = [(_preference(model, each.asked, each), _preference(model, each.other, each)) for each in asked]
    kept = [row for row, (before, after) in enumerate(ends) if keep == "all" or before < 0 < after]
    rng, rows = np.random.default_rng(seed), []
    for row in kept:
        each, (before, after) = asked[row], ends[row]
        found = _effects(model, each, _edits(model, each, asked[(row + 1) % len(asked)], layers, rng))
        rows += [{"kind": "patched", "source": source, "target": target, "other": other, "item": each.item, "place": place,
                  "layer": layer, "effect": (value - before) / (after - before), "flipped": float(value > 0)}
                 for place, values in found for layer, value in zip(layers, values, strict=True)]  # fmt: skip
    return pd.DataFrame(rows), len(asked) - len(kept)


def _effects(model: TransformerBridge, each: _Asked, edits: dict[Place, list[Edit]]) -> Iterator[tuple[Place, list[float]]]:
    """The preference under every edit, by place. What edits no token before the tag is run together, behind one prefix."""
    start = min(each.asked.span)
    for late in (True, False):
        places = [place for place, own in edits.items() if (min(own[0].positions) >= start) == late]
        if not places:
            continue
        values = iter(_preferences(model, each.asked, [edit for place in places for edit in edits[place]], each))
        for place in places:
            yield place, list(islice(values, len(edits[place])))


def _edits(
    model: TransformerBridge, each: _Asked, neighbour: _Asked, layers: Sequence[int], rng: np.random.Generator
) -> dict[Place, list[Edit]]:
    """One edit a layer for every place. Tags of unequal length are laid together at their ends."""
    tag, last = each.asked.span, (len(each.asked.ids) - 1,)
    elsewhere = tuple(sorted(rng.choice(each.sentence, min(len(each.sentence), len(tag)), replace=False).tolist()))
    places: dict[Place, tuple[Prompt, tuple[int, ...], tuple[int, ...]]] = {
        "tag": (each.other, tag, each.other.span),
        "last": (each.other, last, (len(each.other.ids) - 1,)),
        "tag, other sentence": (neighbour.other, tag, neighbour.other.span),
        "tag, same language": (neighbour.asked, tag, neighbour.asked.span),
        "tag, wrong place": (each.other, elsewhere, each.other.span),
    }
    held = {prompt.ids: activations(model, prompt.ids, "residual_post", layers) for prompt, _, _ in places.values()}
    return {
        place: [Edit(layer, into, held[prompt.ids][layer][_laid(into, out)]) for layer in layers]
        for place, (prompt, into, out) in places.items()
    }


def _laid(into: Sequence[int], out: Sequence[int]) -> list[int]:
    """For every token of one span that of the other, counted from their ends; where the other is shorter, its first."""
    return [out[max(len(out) - len(into) + place, 0)] for place in range(len(into))]


def _ask(model: TransformerBridge, own: Example, turned: Example, shape: Template) -> _Asked:
    asked, other = (marked(model, _tagged(shape, "[[{}]]").prompt(each)) for each in (own, turned))
    right, wrong = (question(model, asked, "logprob", shape.answer(each)) for each in (own, turned))
    inside = marked(model, replace(shape, with_input=shape.with_input.replace("{input}", "[[{input}]]")).prompt(own))
    return _Asked(own.item, asked, other, right, wrong, inside.span)


def _preference(model: TransformerBridge, prompt: Prompt, each: _Asked) -> float:
    """How much more probable (nats) the right answer in the other language is than that in the one asked for."""
    turned, right = (float(one.read(untouched(model, prompt.ids, one.tail))[0]) for one in (each.turned, each.right))
    return turned - right


def _preferences(model: TransformerBridge, prompt: Prompt, edits: list[Edit], each: _Asked) -> list[float]:
    turned, right = (one.read(run_edits(model, prompt.ids, edits, "residual_post", one.tail)) for one in (each.turned, each.right))
    return (turned - right).tolist()


def _examples(corpus: ParallelCorpus, source: str, target: str) -> tuple[Example, ...]:
    return translations(corpus, [(source, target)], instructions=(TRANSLATE[0],)).examples


def _tagged(shape: Template, around: str) -> Template:
    """The template with the target's name put into `around`, "{}" standing for the name."""
    worded = shape.with_input
    for field in ("{target}", "{target_itself}"):
        worded = worded.replace(field, around.replace("{}", field))
    return replace(shape, with_input=worded)


def _without_tag(shape: Template, instead: str) -> Template:
    worded = shape.with_input
    for field in ("{target}", "{target_itself}"):
        worded = worded.replace(field, instead)
    return replace(shape, with_input=worded)
