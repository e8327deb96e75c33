"""What an earlier run kept is used only where it is whole and of the same making; else it is named, and computed again."""

import shutil
from importlib import metadata

import pytest
import torch
from safetensors.torch import load_file

import interp
from interp.files.sealed_tensors import load_tensors, save_tensors
from interp.interventions.grid.items import transplant_items
from interp.lens.train import train_lens
from interp.lens.tuned_lens import load_lens
from interp.neurons import count_neurons
from interp.text.corpus import ParallelCorpus
from interp.tuning import Recipe, translations, tune
from probes.lens.latent_language import LatentLanguageStudy
from probes.neurons.ablation import AblationStudy
from probes.neurons.find import find_neurons
from tests.support.tiny import tiny, tiny_folder

CORPUS = ParallelCorpus(
    "toy",
    {
        "eng_Latn": ("The cat sleeps.", "The dog", "A river", "Rivers."),
        "deu_Latn": ("Die Katze", "Der Hund", "Ein Fluss", "Flüsse."),
    },
)
VOCABULARY = ParallelCorpus(
    "words",
    {
        "eng_Latn": ("the", "and", "cat", "dog", "river", "on"),
        "deu_Latn": ("Katze", "Fluss", "Hund", "Stein", "und", "warm"),
        "rus_Cyrl": ("кошка", "на", "тёплом", "собака", "смотрит", "реку"),
    },
)
PROMPTS = ["The cat", "Die Katze schläft", "Paka"]


def states(model, folder):
    acts = interp.capture(model, CORPUS, folder=folder, progress=False)
    return {code: acts[code] for code in acts.languages}


def items(model, folder):
    grids = transplant_items(
        model, PROMPTS[::-1], PROMPTS, "logits", sources=[1], targets=[2], folder=folder, max_tokens=4, progress=False
    )
    return {str(n): grid.values for n, grid in enumerate(grids)}


def counts(model, folder):
    return dict(count_neurons(model, CORPUS, shards=2, folder=folder).mean)


def lens(model, folder):
    """A training that was stopped after its fourth step goes on, and is stopped no more."""
    how = {"steps": 6, "sentences": 1, "held_out": 0.25, "save_every": 2}
    return {"weight": train_lens(model, CORPUS, folder / "lens.safetensors", **how).weight}


def words(model, folder):
    table = LatentLanguageStudy(model, VOCABULARY, shots=1, controls=False, resamples=20).measure(folder).table
    return {"value": torch.tensor(table["value"].fillna(-1).to_numpy())}


def damage(model, folder):
    report = find_neurons(count_neurons(model, CORPUS, shards=2), share=0.05, bar=0.8, permutations=5, halves=2)
    return {"loss": torch.from_numpy(AblationStudy(model, CORPUS, report, draws=1, resamples=20).measure(folder).arrays["loss"])}


def begin(kind, model, folder):
    """The cache as a run leaves it behind; of a lens, a training that was killed before its end."""
    if kind is not lens:
        return kind(model, folder)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("interp.lens.train._evaluate", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            lens(model, folder)
    return None


def flip(path):
    data = bytearray(path.read_bytes())
    data[len(data) * 2 // 3] ^= 4
    path.write_bytes(data)


HARMS = {
    "a bit": flip,
    "the end": lambda path: path.write_bytes(path.read_bytes()[: path.stat().st_size // 2]),
    "all of it": lambda path: path.write_bytes(b""),
}


@pytest.mark.parametrize("harm", [*HARMS, "its model"])
@pytest.mark.parametrize("kind", [states, items, counts, lens, words, damage])
def test_a_damaged_cache_is_named_and_computed_again(kind, harm, tmp_path, caplog):
    folder, other = tmp_path / "kept", tmp_path / "other"
    for each in (folder, other, tmp_path / "new"):
        each.mkdir()
    truth = kind(tiny("llama"), tmp_path / "new")
    begin(kind, tiny("llama"), folder)
    victim = sorted(folder.glob("*.safetensors"))[-1]
    if harm == "its model":
        begin(kind, tiny("llama", seed=1), other)
        shutil.copy(sorted(other.glob("*.safetensors"))[-1], victim)
    else:
        HARMS[harm](victim)
    with caplog.at_level("WARNING", "interp"):
        again = kind(tiny("llama"), folder)
    assert str(victim) in caplog.text
    assert all(torch.equal(again[name], truth[name]) for name in truth)
    caplog.clear()
    with caplog.at_level("WARNING", "interp"):
        kind(tiny("llama"), folder)
    assert str(victim) not in caplog.text, "what was computed again is whole"


@pytest.mark.parametrize("library", ["interp", "torch", "transformers", "transformer-lens"])
@pytest.mark.parametrize("kind", [items, counts, lens, words, damage])
def test_what_another_version_kept_is_named_and_computed_again(kind, library, tmp_path, caplog, monkeypatch):
    real = metadata.version
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "version", lambda name: "0.0.7" if name == library else real(name))
        begin(kind, tiny("llama"), tmp_path)
    with caplog.at_level("WARNING", "interp"):
        kind(tiny("llama"), tmp_path)
    assert f"another {library} ('0.0.7', now '{real(library)}')" in caplog.text
    caplog.clear()
    with caplog.at_level("WARNING", "interp"):
        kind(tiny("llama"), tmp_path)
    assert "another" not in caplog.text, "what was computed again is kept"


def test_a_capture_by_another_version_is_refused_and_left_alone(tmp_path, monkeypatch):
    states(tiny("llama"), tmp_path)
    real, before = metadata.version, (tmp_path / "manifest.json").read_bytes()
    monkeypatch.setattr(metadata, "version", lambda name: "0.0.7" if name == "transformers" else real(name))
    with pytest.raises(ValueError, match=r"holds a capture with transformers '.*', and now transformers is '0\.0\.7'"):
        states(tiny("llama"), tmp_path)
    assert (tmp_path / "manifest.json").read_bytes() == before


@pytest.mark.parametrize("kind", [items, words, damage])
def test_the_same_weights_under_another_configuration_are_another_model(kind, tmp_path):
    first, second = tiny("llama"), tiny("llama", rms_norm_eps=1e-1)
    assert interp.identify(first).sha == interp.identify(second).sha
    kept, again = (kind(model, tmp_path / "kept") for model in (first, second))
    truth = kind(second, tmp_path / "new")
    assert all(torch.equal(again[name], truth[name]) for name in truth)
    assert not all(torch.equal(again[name], kept[name]) for name in truth)


def test_the_same_weights_under_another_configuration_fill_no_capture_or_counts_of_the_first(tmp_path):
    for kind in (states, counts):
        kind(tiny("llama"), tmp_path / kind.__name__)
        with pytest.raises(ValueError, match=r"(another|with) configuration"):
            kind(tiny("llama", rms_norm_eps=1e-1), tmp_path / kind.__name__)


@pytest.mark.parametrize("harm", HARMS)
def test_a_finished_lens_that_was_altered_is_refused_and_left_alone(harm, tmp_path):
    """It may be anybody's file: nothing is written over it."""
    lens(tiny("llama"), tmp_path)
    path = tmp_path / "lens.safetensors"
    HARMS[harm](path)
    damaged = path.read_bytes()
    for use in (lambda: load_lens(path, tiny("llama")), lambda: lens(tiny("llama"), tmp_path)):
        with pytest.raises(ValueError, match=r"lens\.safetensors is not as it was written"):
            use()
    assert path.read_bytes() == damaged


@pytest.mark.parametrize("name", ["partial.json", "manifest.json"])
def test_a_captures_list_that_was_cut_short_costs_a_capture_and_no_stranger_a_file(name, tmp_path, caplog):
    truth = states(tiny("llama"), tmp_path)
    listed = (tmp_path / "manifest.json").read_bytes()
    (tmp_path / "manifest.json").unlink()
    (tmp_path / name).write_bytes(listed[:-30])
    with caplog.at_level("WARNING", "interp"):
        again = states(tiny("llama"), tmp_path)
    assert f"{name} is cut short or was altered" in caplog.text
    assert all(torch.equal(again[code], truth[code]) for code in truth)
    (tmp_path / name).write_bytes(b"{}")
    (tmp_path / "table.parquet").write_bytes(b"somebody's")
    with pytest.raises(ValueError, match="not readable as a capture's manifest"):
        states(tiny("llama"), tmp_path)


def test_token_ids_of_an_altered_file_are_not_believed(tmp_path):
    states(tiny("llama"), tmp_path)
    flip(tmp_path / "deu_Latn.safetensors")
    with pytest.raises(ValueError, match=r"deu_Latn\.safetensors is truncated or was altered"):
        interp.activations.store.Activations.load(tmp_path).tokens("de")


def test_tensors_come_back_as_they_were_with_what_they_are_of(tmp_path):
    tensors = {
        "a": torch.arange(6.0).view(2, 3).T,
        "b": torch.tensor(3),
        "c": torch.ones(2, dtype=torch.bfloat16),
        "d": torch.empty(0),
    }
    path = save_tensors(tmp_path / "t.safetensors", tensors, {"of": ["x", 1]})
    again, facts = load_tensors(path)
    assert facts == {"of": ["x", 1]}
    assert all(torch.equal(again[name], tensors[name]) and again[name].dtype == tensors[name].dtype for name in tensors)


TUNING = {"form": "bare", "learning_rate": 1e-2, "steps": 6, "batch": 4, "held_out": 0.0}


def weights(folder):
    return load_file(folder / "model.safetensors")


@pytest.mark.parametrize("harm", HARMS)
def test_a_tuned_folder_that_was_altered_is_tuned_again_and_a_checkpoint_left_out(harm, tmp_path, caplog, monkeypatch):
    given = (tiny_folder("llama", tmp_path / "parent"), translations(CORPUS, [("en", "de")]), Recipe(**TUNING, checkpoints=3))
    truth = weights(tune(*given, tmp_path / "whole").folder)
    folder = tmp_path / "tuned"
    with monkeypatch.context() as patch:
        patch.setattr("interp.tuning.train._save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        with pytest.raises(KeyboardInterrupt):
            tune(*given, folder)
    last = max((folder / "checkpoints").glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    for victim in (last / "model.safetensors", folder / "model.safetensors"):
        HARMS[harm](victim)
        with caplog.at_level("WARNING", "interp"):
            tuned = tune(*given, folder, resume=True)
        assert str(last if victim.parent == last else victim) in caplog.text
        assert all(torch.equal(weights(folder)[name], truth[name]) for name in truth)
        caplog.clear()
    assert tuned.fault() == ""
    assert tune(*given, folder, resume=True) == tuned
    assert not caplog.text


@pytest.mark.parametrize("finished", [True, False])
def test_tuning_goes_on_with_the_libraries_and_the_configuration_it_began_with(finished, tmp_path, monkeypatch):
    parent, folder, real = tiny_folder("llama", tmp_path / "parent"), tmp_path / "tuned", metadata.version
    given = (translations(CORPUS, [("en", "de")]), Recipe(**TUNING, checkpoints=3))
    with monkeypatch.context() as patch:
        if not finished:
            patch.setattr("interp.tuning.train._save", lambda *_: (_ for _ in ()).throw(KeyboardInterrupt))
        try:
            tune(parent, *given, folder)
        except KeyboardInterrupt:
            assert not finished
    with monkeypatch.context() as patch:
        patch.setattr(metadata, "version", lambda name: "0.0.7" if name == "torch" else real(name))
        with pytest.raises(ValueError, match=r"torch .*2\.\d+.*0\.0\.7"):
            tune(parent, *given, folder, resume=True)
    config = parent / "config.json"
    config.write_text(config.read_text().replace('"rms_norm_eps": 1e-06', '"rms_norm_eps": 0.1'))
    with pytest.raises(ValueError, match="configuration"):
        tune(parent, *given, folder, resume=True)
