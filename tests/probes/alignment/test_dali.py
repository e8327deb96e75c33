"""DALI: options told apart alike in two languages, against a loop over the four cosines; and by command."""

from __future__ import annotations

import itertools
import json

import numpy as np
import pytest
import torch

import interp
import probes
from experiments.__main__ import main
from interp.activations.store import Activations
from probes.alignment.dali import dali, options_as_sentences


def by_hand(x, y, options):
    """A loop over questions and pairs of options, from the published condition."""
    layers, n, width = x.shape
    size = width // options
    found = np.zeros((layers, n, n))
    for layer, i, j in itertools.product(range(layers), range(n), range(n)):
        a, b = (each.reshape(options, size).numpy() for each in (x[layer, i], y[layer, j]))
        cos = (a / np.linalg.norm(a, axis=1, keepdims=True)) @ (b / np.linalg.norm(b, axis=1, keepdims=True)).T
        found[layer, i, j] = all(
            min(cos[p, p], cos[q, q]) > max(cos[p, q], cos[q, p]) for p, q in itertools.combinations(range(options), 2)
        )
    return found


@pytest.mark.parametrize("options", [2, 3])
def test_the_table_is_that_of_a_loop_over_the_cosines(options):
    x, y = torch.randn(2, 3, 9, options * 5, generator=torch.Generator().manual_seed(1)).unbind()
    assert np.array_equal(dali(x, y, options).numpy(), by_hand(x, y, options))


def questions(states):
    ids = [f"{item}#{option}" for item in range(states["eng_Latn"].shape[1] // 2) for option in range(2)]
    return Activations.from_arrays(states, ids=ids)


def test_exchangeable_cosines_give_a_sixth():
    random = torch.Generator().manual_seed(0)
    states = {code: torch.randn(1, 4000, 64, generator=random) for code in ("eng_Latn", "deu_Latn")}
    row = probes.measure_dali(questions(states), resamples=50).summary().iloc[0]
    assert row["estimate"] == pytest.approx(1 / 6, abs=0.03)
    assert row["baseline"] == pytest.approx(1 / 6, abs=0.01)
    assert row["n"] == 2000


def test_a_planted_alignment_of_options_is_found_and_swapped_options_are_not():
    random = torch.Generator().manual_seed(0)
    english = torch.randn(2, 80, 32, generator=random)
    german = english + 0.3 * torch.randn(2, 80, 32, generator=random)
    german[1] = german[1].unflatten(0, (40, 2)).flip(1).flatten(0, 1)  # in the second layer the options are exchanged
    report = probes.measure_dali(questions({"eng_Latn": english, "deu_Latn": german}), resamples=100)
    assert report.summary()["estimate"].tolist() == [1.0, 0.0]
    assert report.finds()


def test_questions_without_as_many_options_are_refused():
    options = {"en": (("a", "b"), ("c", "d", "e"))}
    task = interp.ParallelTask("t", {"en": ("x", "y")}, {"en": (("a",), ("c",))}, options)
    with pytest.raises(ValueError, match="got questions with 2 and 3 options"):
        options_as_sentences(task)


def test_by_command_on_a_file_of_questions(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    folder = tmp_path / "xcopa"
    folder.mkdir()
    for code, words in {"eng_Latn": "The {} fell.", "deu_Latn": "Der {} fiel."}.items():
        rows = [
            {"premise": words.format(f"cup {i}"), "choice1": f"It broke {i}.", "choice2": f"It flew {i}.", "question": "effect",
             "label": i % 2, "idx": i} for i in range(12)
        ]  # fmt: skip
        (folder / f"{code}.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    assert main(["align", "--corpus", "xcopa", "--metrics", "dali", "--pooling", "last", "--output", "run", "--device", "cpu"]) == 0
    report = probes.Report.load("run")
    assert set(report.summary()["metric"]) == {"dali"}
    assert set(report.summary()["n"]) == {12}
    assert main(["align", "--corpus", "xcopa", "--metrics", "dali", "mexa", "--output", "other"]) == 2
    assert "expected dali alone" in capsys.readouterr().err
