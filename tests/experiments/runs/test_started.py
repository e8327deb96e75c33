"""A run goes on, and is shown again, only with the libraries and the files it began with; its manifest says what computed it."""

from __future__ import annotations

import json
import shutil
from importlib import metadata
from pathlib import Path

import pytest

import experiments.__main__ as cli
import interp.models.computation
import probes.alignment.measure
from interp.files.sealed_json import read_sealed
from interp.models.fingerprint import fingerprint
from probes.alignment.report import AlignmentReport
from probes.tokenization.report import TokenizationReport
from tests.support.tiny import tiny_folder

TEXT = {
    "eng_Latn": "cat sleeps,dog runs,bird sings,wide river,red house,warm bread,two fish,snow falls,I see you",
    "deu_Latn": "Katze schläft,Hund läuft,Vogel singt,ein Fluss,rotes Haus,warmes Brot,zwei Fische,Schnee fällt,du",
}
REAL = metadata.version


@pytest.fixture(autouse=True)
def no_figures(monkeypatch):
    monkeypatch.setattr(AlignmentReport, "figures", lambda self: {})


@pytest.fixture
def world(tmp_path) -> Path:
    (tmp_path / "corpus").mkdir()
    for code, text in TEXT.items():
        (tmp_path / "corpus" / f"{code}.txt").write_text(text.replace(",", "\n") + "\n", encoding="utf-8")
    tiny_folder("llama", tmp_path / "model")
    return tmp_path


def align(world: Path, *more: str, output: str = "run") -> int:
    given = {"model": world / "model", "corpus": world / "corpus", "output": world / output, "device": "cpu", "metrics": "mexa"}
    return cli.main(["align", *(str(part) for name, value in given.items() for part in (f"--{name}", value)), *more])


def install(monkeypatch: pytest.MonkeyPatch, library: str, number: str) -> None:
    monkeypatch.setattr(metadata, "version", lambda name: number if name == library else REAL(name))


def stop(world: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Leave a run that has read its states, and nothing else."""

    def killed(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(probes.alignment.measure, "measure_alignment", killed)
        assert align(world) == 130


@pytest.mark.parametrize("library", ["interp", "torch", "transformers", "transformer-lens"])
@pytest.mark.parametrize("finished", [True, False])
def test_another_version_goes_on_with_no_run(finished, library, world, monkeypatch, capsys):
    if finished:
        assert align(world) == 0
    else:
        stop(world, monkeypatch)
    with monkeypatch.context() as patch:
        install(patch, library, "0.0.7")
        capsys.readouterr()
        assert align(world, "--resume") == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"{world / 'run'} was started with {library} {REAL(library)}, and now it is 0.0.7" in said
    assert f"Install {library} {REAL(library)} again, or choose another --output." in said
    assert align(world, "--resume") == 0


def edit(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")


def translate(world: Path) -> None:
    shutil.copy(world / "corpus" / "deu_Latn.txt", world / "corpus" / "fra_Latn.txt")


CHANGES = {
    "weights": ("model", "model.safetensors", lambda world: tiny_folder("llama", world / "model", seed=1)),
    "configuration": ("model", "config.json", lambda world: edit(world / "model" / "config.json", "1e-06", "1e-03")),
    "tokenizer": ("model", "tokenizer.json", lambda world: edit(world / "model" / "tokenizer.json", "{", "{ ")),
    "text": ("corpus", "deu_Latn.txt has changed", lambda world: edit(world / "corpus" / "deu_Latn.txt", "Katze", "Kater")),
    "a new language": ("corpus", "fra_Latn.txt has come", translate),
    "a lost language": ("corpus", "deu_Latn.txt is gone", lambda world: (world / "corpus" / "deu_Latn.txt").unlink()),
}


@pytest.mark.parametrize("what", CHANGES)
@pytest.mark.parametrize("finished", [True, False])
def test_a_file_that_changed_since_goes_on_with_no_run(finished, what, world, monkeypatch, capsys):
    if finished:
        assert align(world) == 0
    else:
        stop(world, monkeypatch)
    setting, name, change = CHANGES[what]
    change(world)
    capsys.readouterr()
    assert align(world, "--resume") == 2
    said = capsys.readouterr().err.strip().splitlines()[-1]
    assert f"was started with --{setting} {world / setting}, where " in said
    assert name in said
    assert "Put it back, or choose another --output." in said


def test_the_manifest_says_what_had_been_loaded_and_not_what_is_installed_at_the_end(world, monkeypatch):
    measure = probes.alignment.measure.measure_alignment

    def upgraded(*args: object, **kwargs: object) -> AlignmentReport:
        report = measure(*args, **kwargs)
        install(monkeypatch, "transformers", "9.9.9")
        return report

    monkeypatch.setattr(probes.alignment.measure, "measure_alignment", upgraded)
    assert align(world) == 0
    environment = json.loads((world / "run" / "manifest.json").read_text())["environment"]
    assert environment["transformers"] == REAL("transformers")
    assert environment["device"] == "cpu"
    assert environment == read_sealed(world / "run" / "started.json")["environment"]


def test_a_run_goes_on_with_its_own_kind_of_device_and_a_finished_one_is_shown_on_any(world, monkeypatch, capsys):
    stop(world, monkeypatch)
    with monkeypatch.context() as patch:
        patch.setattr("interp.models.devices.choose_device", lambda wanted: interp.models.computation.torch.device("meta"))
        assert align(world, "--resume") == 2
        assert "was started with device cpu, and now it is meta" in capsys.readouterr().err
        assert align(world, "--resume") == 2
    assert align(world, "--resume") == 0
    monkeypatch.setattr("interp.models.devices.choose_device", lambda wanted: pytest.fail("nothing is computed"))
    assert align(world, "--resume") == 0


def test_the_text_of_cldr_is_that_of_its_library(tmp_path, monkeypatch, capsys):
    args = ["vocabulary", "--languages", "de", "--limit", "9", "--resamples", "9", "--output", str(tmp_path / "run")]
    monkeypatch.setattr(TokenizationReport, "figures", lambda self: {})
    assert cli.main(args) == 0
    install(monkeypatch, "Babel", "0.0.7")
    capsys.readouterr()
    assert cli.main([*args, "--resume"]) == 2
    assert "was started with --corpus cldr:phrases, where the version of Babel has changed since" in capsys.readouterr().err


@pytest.mark.parametrize("harm", ["gone", "altered"])
def test_a_run_that_does_not_say_what_began_it_is_refused(harm, world, capsys):
    assert align(world) == 0
    path = world / "run" / "started.json"
    if harm == "gone":
        path.unlink()
    else:
        path.write_text(path.read_text().replace("model.safetensors", "model-1.safetensors"))
    capsys.readouterr()
    assert align(world, "--resume") == 2
    assert ("is missing" if harm == "gone" else "was altered") in capsys.readouterr().err


def test_a_folder_is_known_by_what_is_read_of_it(world):
    model = fingerprint(world / "model")
    assert {"model.safetensors", "config.json", "tokenizer.json"} <= set(model)
    (world / "model" / "run.log").write_text("said")
    (world / "model" / "manifest.json").write_text("{}")
    assert fingerprint(world / "model") == model
    (world / "corpus" / ".hidden").write_text("x")
    (world / "corpus" / "run").mkdir()
    (world / "corpus" / "run" / "table.parquet").write_text("x")
    assert set(fingerprint(world / "corpus", world / "corpus" / "run")) == {f"{code}.txt" for code in TEXT}
    assert fingerprint("cldr:names") == fingerprint("nobody/nothing") == fingerprint("") == {}
    assert "model.safetensors" in fingerprint("bundled")
