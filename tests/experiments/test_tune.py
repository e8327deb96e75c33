"""`interp tune` and `interp compare`: from words on a command line to a tuned folder, and what it changed."""

import dataclasses

import pytest
import torch

import interp
from experiments.ask import answer
from experiments.compare import CompareSettings
from experiments.compare import run as compare
from experiments.settings.settings import RECIPES, parse, read_recipe
from experiments.tune import TuneSettings
from interp.tuning import TunedModel
from probes.tuning.hybrids_report import EntryReport
from probes.tuning.movement import MovementReport
from tests.support.tiny import tiny_folder, tiny_hf, tiny_tokenizer

WORDS = ("--languages", "de", "sw", "--limit", "30", "--samples", "20")


def _settings(*flags: str) -> TuneSettings:
    return parse(TuneSettings, [*WORDS, *flags]).resolved()


@pytest.mark.parametrize(
    ("flags", "counts"),
    [
        (("--mixture", "translation"), {"eng_Latn>deu_Latn": 20, "eng_Latn>swh_Latn": 20}),
        (("--mixture", "copy"), {"eng_Latn>eng_Latn": 20}),
        (("--mixture", "text"), {"deu_Latn>deu_Latn": 20, "swh_Latn>swh_Latn": 20}),
        (("--mixture", "questions"), {"deu_Latn>eng_Latn": 20, "swh_Latn>eng_Latn": 20}),
        (("--mixture", "instructions"), {"deu_Latn>deu_Latn": 20, "swh_Latn>swh_Latn": 20}),
        (("--mixture", "coit", "--languages", "de"), {"eng_Latn>eng_Latn": 20, "deu_Latn>deu_Latn": 20, "eng_Latn>deu_Latn": 20}),
        (("--mixture", "mfti", "--mix", "en", "--read-only", "de", "--write-only", "sw"),
         {"deu_Latn>swh_Latn": 20, "deu_Latn>eng_Latn": 20, "eng_Latn>swh_Latn": 20}),
    ],
)  # fmt: skip
def test_every_mixture_has_the_directions_it_is_named_for(flags, counts):
    assert _settings(*flags).build().counts() == counts


def test_muit_takes_budgets_by_language():
    mixture = _settings("--mixture", "muit", "--budgets", "deu_Latn", "6", "swh_Latn", "9").build()
    of = {code: sum(n for pair, n in mixture.counts().items() if code in pair) for code in ("deu_Latn", "swh_Latn")}
    assert of == {"deu_Latn": 6, "swh_Latn": 9}


def test_controls_keep_the_format_and_lose_the_knowledge():
    real = _settings().build()
    copied = _settings("--control", "copy").build_control(real)
    assert all(each.input == each.answer for each in copied.examples)
    assert _settings("--control", "shuffled").build_control(real).counts() == real.counts()
    assert _settings("--control", "english").build_control(real).counts() == {"eng_Latn>eng_Latn": 20}
    asked = _settings("--mixture", "questions").build()
    copied = _settings("--mixture", "questions", "--control", "copy").build_control(asked)
    assert {each.answer for each in copied.examples} == {each.answer for each in asked.examples}
    assert all(each.input == each.answer for each in copied.examples)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("tune-*.yaml")), ids=lambda path: path.stem)
def test_every_recipe_is_one_the_command_takes(path):
    settings = read_recipe(TuneSettings, path).resolved()
    assert dataclasses.asdict(settings) != dataclasses.asdict(TuneSettings())


@pytest.fixture(scope="module")
def tuned(tmp_path_factory):
    """A tiny model before and after `interp tune`, the embedding alone."""
    folder = tmp_path_factory.mktemp("tune")
    parent = tiny_folder("llama", folder / "parent")
    flags = ("--model", str(parent), "--scope", "embeddings", "--form", "quoted", "--steps", "30", "--batch", "8")
    settings = _settings(
        *flags, "--learning-rate", "0.02", "--held-out", "0.2", "--device", "cpu", "--output", str(folder / "tuned")
    )
    return parent, answer(settings), settings


def test_a_tuned_folder_is_a_model_and_a_finished_run(tuned):
    parent, folder, settings = tuned
    found = TunedModel.load(folder)
    assert (found.scope, found.steps, found.recipe.form) == ("embeddings", 30, "quoted")
    assert interp.identify(interp.load(folder)).sha != interp.identify(interp.load(parent)).sha
    written = (folder / "model.safetensors").stat().st_mtime_ns
    assert answer(dataclasses.replace(settings, resume=True)) == folder
    assert (folder / "model.safetensors").stat().st_mtime_ns == written
    with pytest.raises(ValueError, match="already holds a run"):
        answer(settings)


def test_a_control_makes_as_many_updates_as_the_mixture_it_controls(tuned, tmp_path):
    from experiments.tune import run

    parent, _, _ = tuned
    flags = (
        "--model",
        str(parent),
        "--form",
        "quoted",
        "--epochs",
        "2",
        "--batch",
        "8",
        "--held-out",
        "0.2",
        "--device",
        "cpu",
    )
    quick = ("--checkpoints", "0", "--learning-rate", "0.001")
    steps = []
    for name in ("none", "copy"):
        run(_settings(*flags, *quick, "--control", name, "--output", str(tmp_path / name)))
        steps.append(TunedModel.load(tmp_path / name).steps)
    assert steps[0] == steps[1] == 8


def test_compare_says_what_moved_and_where_the_gain_enters(tuned, tmp_path):
    parent, folder, _ = tuned
    flags = ("--before", str(parent), "--after", str(folder), "--languages", "de", "--limit", "12", "--device", "cpu")
    report = compare(parse(CompareSettings, [*flags, "--with", "weights", "entry", "--output", str(tmp_path)]).resolved())
    assert isinstance(report, MovementReport)
    assert set(report.table.loc[report.table["distance"] > 0, "tensor"]) == {"model.embed_tokens.weight"}
    assert any("in its residual stream at the embedding (n=12)" in note for note in report.notes)
    entry = EntryReport.load(tmp_path / "entry").summary()
    assert entry.loc[entry["line"] == "tuned below", "share"].to_numpy() == pytest.approx(1, abs=1e-5)


def test_both_models_of_a_comparison_read_their_texts_behind_one_start(tmp_path):
    """The first model has a sink at its first token, and a text is one token long; the second has none, and would need no start."""
    planted, plain = tiny_hf("gpt2"), tmp_path / "plain"
    with torch.no_grad():
        planted.transformer.wpe.weight[0] *= 100
    for model, folder in ((planted, tmp_path / "planted"), (tiny_hf("gpt2"), plain)):
        model.save_pretrained(folder)
        tiny_tokenizer("gpt2").save_pretrained(folder)
    text = tmp_path / "text"
    text.mkdir()
    words = ["The cat", "dog", "river", "stone", "house", "bread", "fish", "snow", "I see", "The"]
    for code in ("eng_Latn", "deu_Latn"):
        (text / f"{code}.txt").write_text("\n".join(words) + "\n", encoding="utf-8")
    flags = ["--before", str(tmp_path / "planted"), "--after", str(plain), "--with", "align", "--corpus", str(text)]
    report = compare(parse(CompareSettings, [*flags, "--output", str(tmp_path / "run")]).resolved())
    assert report.signature.settings["start"] == "</s>"


def test_a_model_compared_with_itself_changed_nowhere(tuned, tmp_path):
    parent, _, _ = tuned
    flags = ("--before", str(parent), "--after", str(parent), "--languages", "de", "--limit", "12", "--device", "cpu")
    report = compare(parse(CompareSettings, [*flags, "--with", "align", "--output", str(tmp_path)]).resolved())
    assert (report.summary()["estimate"] == 0).all()
    assert report.summary()[["lower", "upper"]].isna().all(axis=None)
    runs = [str(tmp_path / "align" / side) for side in ("before", "after")]
    again = compare(CompareSettings(before=runs[0], after=runs[1]))
    assert again.summary().equals(report.summary())
    with pytest.raises(ValueError, match="a model and a finished run"):
        compare(CompareSettings(before=str(parent), after=runs[1]))
    with pytest.raises(ValueError, match="got no --after"):
        compare(CompareSettings(before=str(parent)))
