"""A small file stays small, and one that fits its checksum but not its kind is named."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
from safetensors.torch import save_file

import interp
import interp.tuning.train
from experiments.settings.strict_yaml import read_yaml
from interp.activations.store import Activations
from interp.files.atomic import checksum
from interp.files.sealed_json import read_object, read_sealed, write_sealed
from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from interp.text.corpus import ParallelCorpus
from interp.text.read import read
from probes.neurons.report import NeuronReport
from tests.support.mutate import copied, no_longer_than
from tests.support.mutate_formats import BOMB, HOSTILE
from tests.support.tiny import tiny, tiny_folder

CORPUS = ParallelCorpus("c", {"eng_Latn": (HOSTILE, "the dog"), "deu_Latn": ("Katze", "=1+1")}, ids=("../../x", "/etc/y"))


@pytest.fixture(scope="module")
def model(tmp_path_factory) -> Path:
    return tiny_folder("llama", tmp_path_factory.mktemp("model"))


@pytest.mark.parametrize(
    ("text", "told"),
    [
        (BOMB, "refers to another value"),
        ("a: !!python/object/apply:os.system [exit]", "could not determine a constructor"),
        ("seed: 1\nseed: 1", "occurs twice"),
        ("languages: [{a: 1, a: 2}]", "occurs twice"),
        ("[" * 3000, "not readable as YAML"),
        ("a: " + "9" * 5000, "not readable as YAML"),
        ("x" * (1 << 20) + ": 1", "got a file over 1 MiB"),
    ],
    ids=["bomb", "object", "key twice", "inner key twice", "deep", "digits", "long"],
)
def test_yaml_that_is_more_than_plain_values_is_refused_soon(text, told, tmp_path):
    (tmp_path / "r.yaml").write_text(text)
    with no_longer_than(), pytest.raises(ValueError, match=told):
        read_yaml(tmp_path / "r.yaml")


@pytest.mark.parametrize(
    "text", ['{"a": 1, "a": 1}', "[" * 100_000, '{"a": "\\ud800"}', "\ufeff{}", "[]", '{"a": ' + "9" * 5000 + "}"]
)
def test_json_that_is_no_plain_object_is_refused(text, tmp_path):
    (tmp_path / "m.json").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"m\.json"):
        read_object(tmp_path / "m.json")


def test_a_header_without_end_does_not_take_hours(tmp_path):
    (tmp_path / "t.tsv").write_text("\t".join(f"q{n}" for n in range(200_000)) + "\n" + "\t".join("x" * 200_000) + "\n")
    (tmp_path / "t.jsonl").write_text(json.dumps({f"q{n}": n for n in range(100_000)})[:-1] + ', "q0": 1}\n')
    for name, told in (("t.tsv", "200000 columns"), ("t.jsonl", "occurs twice")):
        with no_longer_than(), pytest.raises(ValueError, match=told):
            read(tmp_path / name)


def test_a_configuration_of_more_layers_than_weights_is_refused_before_it_is_built(model, tmp_path):
    folder = copied(model, tmp_path / "m")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 10**8}))
    with pytest.raises(ValueError, match="got 100000000 layers, expected at most the 39 tensors"):
        interp.load(folder)


def test_a_token_beyond_the_model_is_named(model):
    from interp.models.batches import pad

    with pytest.raises(ValueError, match="got token 400, expected less than 400 for tiny-llama"):
        pad(tiny("llama"), [[1, 400]])


def test_a_report_without_its_arrays_is_named():
    made = Signature("neurons", ModelIdentity("m", "a", 1, 1, "float32"), CorpusIdentity("c", "b", 1))
    for arrays in ({}, {"rate": np.zeros(3)}):
        with pytest.raises(ValueError, match=r"this NeuronReport is not as its command saves it"):
            NeuronReport(pd.DataFrame(), made, arrays, {"languages": ["deu_Latn"]}).item_values()


def test_states_of_another_shape_are_named(tmp_path):
    interp.capture(tiny("llama"), CORPUS, folder=tmp_path, progress=False)
    path, plain = tmp_path / "deu_Latn.safetensors", read_sealed(tmp_path / "manifest.json")
    save_file({"activations": torch.zeros(5, 1, 32)}, path)
    plain["files"]["deu_Latn"]["sha256"] = checksum(path)
    write_sealed(tmp_path / "manifest.json", plain)
    with pytest.raises(ValueError, match=r"got torch.float32 \(5, 1, 32\), expected float32 \(5, 2, 32\)"):
        Activations.load(tmp_path)["deu_Latn"]
