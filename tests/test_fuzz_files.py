"""Recipes, run folders, captures, lenses, tuned folders, models and instruction files that were damaged, or made to do harm.

Each is read as what was written, or refused by `interp` in one line with exit code 2: never a traceback, a wait without end,
or a part taken for the whole. A third of the cases are sealed again after the damage, as a stranger would: then what is inside
must be refused or shown, and nothing else can be told. Corpora and tasks are in test_fuzz_reading.
"""

from __future__ import annotations

import json
import random
import shutil
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from html.parser import HTMLParser
from pathlib import Path
from typing import Any, get_type_hints

import pandas as pd
import pytest
import torch
import yaml
from beartype.door import is_bearable
from matplotlib.figure import Figure

import experiments.__main__ as cli
import interp
from experiments import align
from experiments.align import AlignSettings
from interp.activations import Activations
from interp.corpus import ParallelCorpus
from interp.languages import languages
from interp.plain import seal
from interp.sealed_tensors import load_tensors, save_tensors
from interp.storage import checksum
from interp.tokens import encode, pad
from interp.tuned_lens import TunedLens, load_lens
from interp.tuning import Recipe, TunedModel, copies, read_instructions, tune
from probes.change import ChangeReport
from probes.tuning import measure_tuning
from tests.mutate import change_value, copied, spoil
from tests.test_change import _aligned
from tests.test_page import Curves, curves
from tests.tiny import tiny, tiny_folder

CASES = {"recipe": 300, "page": 200, "resume": 100, "compare": 120, "capture": 120, "recapture": 60, "lens": 120, "tuned": 120,
         "model": 60, "instructions": 250}  # fmt: skip
ONLY = {"compare": "[mt]*"}
"""The files that are damaged, where others are not read."""
CORPUS = ParallelCorpus("c", {"eng_Latn": ("a cat", "the dog"), "deu_Latn": ("Katze", "der Hund")}, ids=("x", "y"))
PATIENCE, LONGEST = 60, 30
"""Seconds by the clock for one case, and of work for all cases of a kind."""
RECIPE = {"command": "align", "languages": ["deu_Latn", "zh"], "metrics": ["mexa"], "limit": 3, "seed": 0, "template": "{sentence}",
          "output": "runs/x", "controls": ["length"], "dtype": "float32", "page": False}  # fmt: skip
FIELDS = get_type_hints(AlignSettings)
opened: list[Any] = []


class Hang(BaseException):
    """Nothing catches it, as nothing ends a wait for a pipe."""


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
            self.acts += [f"{tag} {name}"] if leaves or name.startswith("on") else []


@contextmanager
def no_longer_than(seconds: int) -> Iterator[None]:
    def stop(*_: object) -> None:
        raise Hang

    before = signal.signal(signal.SIGALRM, stop)
    signal.alarm(seconds)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


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
        return str(one) == str(other) and alike(one.table(), other.table())
    if isinstance(one, dict):
        return one.keys() == other.keys() and all(alike(one[key], other[key]) for key in one)
    return all(map(alike, one, other)) if isinstance(one, tuple) else bool(one == other)


def says(kind: str, folder: Path) -> Any:
    """What a file that may be edited says now, worked out a second time without the readers."""
    if kind == "recipe":
        return yaml.safe_load((folder / "r.yaml").read_text(encoding="utf-8")) or {}
    return [json.loads(line) for line in (folder / "some.jsonl").read_text(encoding="utf-8").split("\n") if line.strip()]


def is_as_said(kind: str, found: Any, said: Any) -> bool:
    if kind == "recipe":
        plain = {**found.asked(), "page": found.page}
        meant = {**said, "languages": [one.code for one in languages(said.get("languages") or ())]}
        fits = all(is_bearable(getattr(found, name), hint) for name, hint in FIELDS.items())
        return fits and all(plain[key] == value for key, value in meant.items() if key not in ("output", "pivot", "device"))
    return [(each.instruction, each.input, each.answer) for each in found.examples] == [
        (line.get("instruction") or "", line.get("input") or "", line.get("output", line.get("answer"))) for line in said
    ]


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> Path:
    """One whole thing of every kind."""
    root = tmp_path_factory.mktemp("world")
    (root / "recipe").mkdir()
    (root / "recipe" / "r.yaml").write_text(yaml.safe_dump(RECIPE, sort_keys=False))
    (root / "instructions").mkdir()
    lines = [{"id": f"é{n}", "instruction": f"Say {n}", "input": "", "output": f"ä{n}", "language": "de"} for n in range(4)]
    text = "".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines)
    (root / "instructions" / "some.jsonl").write_text(text, encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(align, "run", answered)
        cli.main(["align", "--output", str(root / "resume"), "--languages", "de"])
    copied(root / "resume", root / "page")
    _aligned(0).save(root / "compare")
    _aligned(1, gain=0.2, seed=1).save(root / "after")
    interp.capture(tiny("llama"), CORPUS, folder=root / "capture", progress=False)
    copied(root / "capture", root / "recapture")
    model = tiny("llama")
    rows, d = model.cfg.n_layers, model.cfg.d_model
    facts = TunedLens(torch.randn(rows, d, d), torch.randn(rows, d), ("embed", "0", "1", "2"), interp.identify(model),
                      torch.ones(2, rows), torch.zeros(2, rows), {"languages": ["deu_Latn", "eng_Latn"]})  # fmt: skip
    facts.save(root / "lens" / "lens.safetensors")
    tiny_folder("llama", root / "model")
    recipe = Recipe(batch=1, device_batch=1, steps=2, checkpoints=0, held_out=0.5, template="quoted")
    tuned = tune(root / "model", copies(CORPUS), recipe, root / "whole", device="cpu")
    (root / "tuned").mkdir()
    (root / "tuned" / "tuned.json").write_bytes((tuned.folder / "tuned.json").read_bytes())
    return root


@pytest.mark.parametrize("kind", CASES)
def test_a_damaged_file_is_read_rightly_or_refused_in_one_line(kind, world, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(cli.COMMANDS, "open", (__name__, "What is in it?"))
    monkeypatch.setattr(align, "run", answered)
    monkeypatch.setattr(ChangeReport, "figures", Small.figures)
    monkeypatch.chdir(tmp_path)
    copied(world / "after", tmp_path / "after")
    chance, place, started = random.Random(kind), tmp_path / "case" / "run", time.process_time()

    def run() -> tuple[int, str, str]:
        opened.clear()
        capsys.readouterr()
        with no_longer_than(PATIENCE):
            code = cli.main(command(kind, place))
        return code, *capsys.readouterr()

    copied(world / kind, place)
    assert run()[0] == 0
    whole, counts = outcome(kind, place), {0: 0, 2: 0}
    for number in range(CASES[kind]):
        shutil.rmtree(place.parent)
        copied(world / kind, place)
        how = spoil(place, chance, ONLY.get(kind, "*"))
        if again := number % 3 == 0:
            sealed_again(kind, place, chance)
        try:
            code, out, err = run()
        except BaseException as error:
            raise AssertionError(f"{kind} {number}: {how}") from error
        counts[code] += 1
        if code == 2:
            last = err.rstrip("\n").split("\n")[-1]
            assert last.startswith(f"interp {command(kind, place)[0]}: error: "), (how, err)
            assert (err.count(": error: "), "Traceback" in err) == (1, False), (how, err)
            assert not (place.parent / "out").exists() or not list((place.parent / "out").glob("manifest.json")), how
        elif kind in ("recipe", "instructions"):
            assert is_as_said(kind, opened[-1], says(kind, place)), how
        elif kind != "model" and not again:
            assert alike(outcome(kind, place), whole), how
        assert "\x1b" not in out + err, how
        if kind == "page" and code == 0:
            tags = Tags(outcome(kind, place))
            assert (tags.scripts, tags.acts) == (1, []), how
    assert min(counts.values()) >= 3, f"mutants too mild or too wild to tell: {counts}"
    assert time.process_time() - started < LONGEST


def test_more_than_a_thousand_damaged_files_are_tried():
    assert sum(CASES.values()) > 1000
