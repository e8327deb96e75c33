"""The kinds of files that the fuzz damages: which command reads each, what it gives, and what it should have given."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from dataclasses import fields
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_type_hints

import pandas as pd
import torch
import yaml
from beartype.door import is_bearable
from matplotlib.figure import Figure

import interp
from experiments.align import AlignSettings
from interp.activations.store import Activations
from interp.files.atomic import checksum
from interp.files.sealed_json import seal
from interp.files.sealed_tensors import load_tensors, save_tensors
from interp.languages import languages
from interp.lens.tuned_lens import TunedLens, load_lens
from interp.models.batches import encode, pad
from interp.text.corpus import ParallelCorpus
from interp.tuning import TunedModel, read_instructions
from probes.tuning.losses import measure_tuning
from tests.experiments.pages.test_page import Curves, curves
from tests.support.mutate_formats import change_value
from tests.support.tiny import tiny

CORPUS = ParallelCorpus("c", {"eng_Latn": ("a cat", "the dog"), "deu_Latn": ("Katze", "der Hund")}, ids=("x", "y"))
FIELDS = {field.name: get_type_hints(AlignSettings)[field.name] for field in fields(AlignSettings)}
opened: list[Any] = []
"""What was read since it was cleared."""


class Small(Curves):
    """The awkward report with a figure that is drawn at once."""

    def figures(self) -> dict[str, Figure]:
        return {"dot": Figure(figsize=(1, 1))}


class Tags(HTMLParser):
    """What a browser would run or fetch."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.scripts, self.acts = 0, []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.scripts += tag == "script"
        self.acts += [tag] if tag in ("iframe", "object", "embed", "base", "img", "foreignobject") else []
        for name, value in attrs:
            leaves = name in ("href", "src", "xlink:href", "action") and not (value or "#").startswith(("#", "data:image/"))
            leaves &= not (
                tag == "a" and re.fullmatch(r"(?!/)[\w%./+-]*", value or "")
            )  # a file beside the page, which one may open
            self.acts += [f"{tag} {name}"] if leaves or name.startswith("on") else []


def main(args: list[str]) -> None:
    """The command `open`, which reads one thing: what the toolkit reads from Python runs under the same guard as a command."""
    kind, folder = args
    opened.append(READERS[kind](Path(folder)))


def read_capture(folder: Path) -> dict[str, Any]:
    acts = Activations.load(folder)
    found = {code: acts[code] for code in acts.languages}
    tokens = {code: [ids.tolist() for ids in acts.tokens(code)] for code in acts.languages}
    return {**found, "tokens": tokens, "ids": acts.ids, "layers": acts.layers, "languages": acts.languages}


def read_capture_again(folder: Path) -> dict[str, Any]:
    interp.capture(tiny("llama"), CORPUS, folder=folder, progress=False)
    return read_capture(folder)


def read_tuned(folder: Path) -> tuple[TunedModel, Any, Any]:
    tuned = TunedModel.load(folder)
    report = measure_tuning(tuned, resamples=10)
    return tuned, report.table, report.curve()


def read_model(folder: Path) -> torch.Tensor:
    model = interp.load(folder, device="cpu")
    batch = pad(model, encode(model, ["the cat", "die Katze"]))
    with torch.no_grad():
        return model(batch.ids, attention_mask=batch.mask, use_cache=False)


READERS: dict[str, Callable[[Path], Any]] = {
    "capture": read_capture,
    "recapture": read_capture_again,
    "lens": lambda folder: load_lens(folder / "lens.safetensors", tiny("llama")),
    "tuned": read_tuned,
    "model": read_model,
    "instructions": lambda folder: read_instructions(folder / "some.jsonl"),
}


def answered(settings: AlignSettings) -> Small:
    """Stands for the measurement of `interp align`."""
    opened.append(settings)
    return curves("m", Small)


def command(kind: str, folder: Path) -> list[str]:
    out = folder.parent / "out"
    if kind == "recipe":
        return ["align", "--config", str(folder / "r.yaml"), "--output", str(out)]
    if kind == "page":
        return ["page", str(folder), "--output", str(out / "page.html")]
    if kind == "resume":
        return ["align", "--output", str(folder), "--languages", "de", "--resume"]
    if kind == "compare":
        after = folder.parents[1] / "after"
        return ["compare", "--before", str(folder), "--after", str(after), "--flips", "9", "--output", str(out)]
    return ["open", kind, str(folder)]


def outcome(kind: str, folder: Path) -> Any:
    """What a command gave: the thing itself, or what it wrote."""
    if kind == "page":
        return (folder.parent / "out" / "page.html").read_text(encoding="utf-8")
    if kind == "compare":
        return pd.read_csv(folder.parent / "out" / "summary.csv")
    if kind == "resume":
        return pd.read_csv(folder / "summary.csv"), json.loads((folder / "manifest.json").read_text())["verdict"]
    return opened[-1]


def sealed_again(kind: str, folder: Path, chance: random.Random) -> None:
    """Make checksums and seals fit what the files hold now, and, in a manifest, what it says."""
    if kind == "lens":
        return _lens_again(folder / "lens.safetensors", chance)
    path = folder / {"tuned": "tuned.json"}.get(kind, "manifest.json")
    if not path.is_file():
        return None
    try:
        plain = json.loads(path.read_bytes())
        plain.pop("seal", None)
        for name, own in plain.get("files", {}).items():
            there = folder / (name if isinstance(own, str) else own["name"])
            if there.is_file():
                plain["files"][name] = checksum(there) if isinstance(own, str) else {**own, "sha256": checksum(there)}
        path.write_text(json.dumps(seal(plain)))
    except (OSError, ValueError, TypeError, AttributeError, KeyError, RecursionError):
        pass  # too broken to be sealed


def _lens_again(path: Path, chance: random.Random) -> None:
    try:
        tensors, facts = load_tensors(path)
    except ValueError:
        return
    name = chance.choice(sorted(tensors))
    how = chance.choice(("facts", "facts", "gone", "cut", "other"))
    if how == "gone":
        del tensors[name]
    elif how != "facts":
        tensors[name] = tensors[name][:1] if how == "cut" else tensors[name].long()
    save_tensors(path, tensors, change_value(facts, chance) if how == "facts" else facts)


def alike(one: Any, other: Any) -> bool:
    if isinstance(one, torch.Tensor):
        return torch.equal(one, other)
    if isinstance(one, pd.DataFrame):
        return one.equals(other)
    if isinstance(one, TunedLens):
        same = (str(one), one.model, one.layers, one.settings) == (str(other), other.model, other.layers, other.settings)
        return same and alike(one.table(), other.table())
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    return all(map(alike, one, other)) if isinstance(one, tuple) else bool(one == other)


def says(kind: str, folder: Path) -> Any:
    """What a file that may be edited says now, worked out a second time without the readers."""
    if kind == "recipe":
        return yaml.safe_load((folder / "r.yaml").read_text(encoding="utf-8")) or {}
    raw = (folder / "some.jsonl").read_bytes()
    return [json.loads(line) for line in re.split("\r\n|\r|\n", raw.decode(json.detect_encoding(raw))) if line.strip()]


def is_as_said(kind: str, found: Any, said: Any) -> bool:
    if kind == "recipe":
        plain = {**found.asked(), "page": found.page}
        meant = {**said, "languages": [one.code for one in languages(said.get("languages") or ())]}
        fits = all(is_bearable(getattr(found, name), hint) for name, hint in FIELDS.items())
        return fits and all(plain[key] == value for key, value in meant.items() if key not in ("output", "pivot", "device"))
    return [(each.instruction, each.input, each.answer) for each in found.examples] == [
        (line.get("instruction") or "", line.get("input") or "", line.get("output", line.get("answer"))) for line in said
    ]
