"""What a run is said to cost is what it does: forward passes and tokens are counted at the embedding while it runs."""

from __future__ import annotations

from importlib import import_module

import pytest
import torch
from torch.nn.modules.module import register_module_forward_pre_hook

import interp
from experiments.__main__ import main
from experiments.ask import answer
from experiments.check import CheckSettings
from experiments.check import run as check
from experiments.commands import COMMANDS
from experiments.costs.cost import Cost, Size, Work, size_of
from experiments.costs.outline import outline
from experiments.costs.plan import count, resident
from experiments.settings.settings import parse, settings_of
from tests.support.tiny import VOCAB, tiny_folder

ROOM = {"max_position_embeddings": 2048}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A tiny model, loaded once before anything is counted, as a load is checked once in a process; `random_init` gives another."""
    path = tiny_folder("llama", tmp_path_factory.mktemp("cost") / "model", seed=1, **ROOM)
    interp.random_init(interp.load(str(path)))
    return path


@pytest.fixture
def seen():
    """Forward passes and tokens that reached the embedding of the tiny model since the test began."""
    counts = {"forwards": 0, "tokens": 0}

    def look(module, args):
        if isinstance(module, torch.nn.Embedding) and module.num_embeddings == VOCAB and args[0].device.type != "meta":
            counts["forwards"] += 1
            counts["tokens"] += args[0].numel()

    handle = register_module_forward_pre_hook(look)
    yield counts
    handle.remove()


def settings_for(line, folder, tmp_path):
    command, *args = line.split()
    module = import_module(COMMANDS[command][0])
    return parse(settings_of(module), [*args, "--model", str(folder), "--output", str(tmp_path / "run")]).resolved()


SMALL = "--max-new-tokens 4 --epochs 1 --seeds 1 --limit 8"
LINES = {  # how many times less than planned a run may do: what is written ends early, items are left out
    "align --languages de fr --limit 8": 1.1,
    "align --languages de fr --limit 8 --sinks keep --template {sentence}.": 1.1,
    "probe --languages de --limit 12 --folds 2": 1.1,
    "atlas --languages de --limit 12 --no-umap": 1.1,
    "lens --languages de fr --limit 12 --shots 1": 1.0,
    "lens --task prompt --prompt hello": 1.0,
    "transplant --languages de --limit 3": 1.2,
    "transplant --languages de --limit 3 --measure match --tokens 4": 1.3,
    "transplant --languages de --limit 3 --measure logprob --controls shuffled random": 1.4,
    "transplant --languages de --limit 2 --measure logprob --controls same_language --method batched": 1.4,
    "patch --languages de --limit 4 --keep all": 1.2,
    "patch --languages de --limit 4 --keep all --method attribution": 1.2,
    "patch --languages de fr --limit 12 --design concept": 4.0,
    "neurons --languages de --limit 40 --share 0.1": 1.1,
    "steer --target rus_Cyrl --limit 24 --tokens 4 --draws 2": 1.5,
    "translate --languages de --limit 4 --max-new-tokens 5 --metrics exact nll": 1.5,
    "answer --languages de --limit 4 --max-new-tokens 5": 1.3,
    "answer --languages de --limit 4 --max-new-tokens 5 --shots 1 --form quoted": 1.5,
    "tune --languages de --limit 40 --samples 40 --epochs 2 --batch 8 --device-batch 4 --held-out 0.2": 1.05,
    "tune --languages de --limit 40 --samples 40 --epochs 2 --batch 8 --device-batch 4 --held-out 0.2 --scope lora": 1.05,
    f"scale --languages de --sizes 8 16 24 {SMALL}": 1.4,
    f"scale --languages de fr --sizes 8 16 24 --gamma alignment --budget 16 --validate {SMALL}": 1.4,
    "directions --languages tr --limit 6 --max-new-tokens 4 --steps 3 --shots 1 --align-limit 8 --seeds 1": 1.4,
    f"quadrants --languages de --probes af --sizes 8 --tie untie {SMALL}": 1.5,
    f"extrapolate --languages de --samples 16 {SMALL}": 1.7,
}


@pytest.mark.filterwarnings("ignore:All-NaN slice")
@pytest.mark.parametrize("line", LINES)
def test_a_run_costs_at_most_what_was_said_and_nearly_that(line, folder, tmp_path, seen):
    settings = settings_for(line, folder, tmp_path)
    cost, _ = count(settings)
    assert seen["forwards"] == 0  # nothing runs when the cost is counted
    answer(settings)
    forwards, tokens = cost.sum("forwards"), cost.sum("prefill") + cost.sum("generated")
    slack = 1.03 if cost.bound != "exact" else 1.0  # batches drawn in another order
    assert seen["tokens"] <= slack * tokens
    assert tokens <= LINES[line] * seen["tokens"]
    assert seen["forwards"] <= slack * forwards
    if cost.bound == "exact":
        assert (seen["forwards"], seen["tokens"]) == (forwards, tokens)


def test_a_sweep_of_factors_is_counted_as_it_runs(folder, tmp_path, seen):
    path = tmp_path / "factors.yaml"
    path.write_text(
        "factors: {size: [8, 16], method: [embeddings, full]}\nlanguages: [deu_Latn]\nsteps: 3\nbatch: 4\nlimit: 6\nseeds: 1\n"
        "max_new_tokens: 4\n"
    )
    settings = settings_for(f"sweep --config {path}", folder, tmp_path)
    planned = count(settings)[0]
    seen.update(forwards=0, tokens=0)
    answer(settings)
    assert seen["forwards"] <= planned.sum("forwards") <= 1.5 * seen["forwards"]


def test_the_states_of_a_corpus_are_counted_to_the_token(folder, tmp_path, seen):
    settings = settings_for("align --languages de zh --limit 8 --sinks keep", folder, tmp_path)
    work = next(work for work in count(settings)[0].works if work.what == "read every sentence")
    interp.capture(settings.load_model(), settings.read_corpus(), sinks="keep")
    assert work.bound == "exact"
    assert (work.forwards, work.tokens) == (seen["forwards"], seen["tokens"])
    assert work.stored == 3 * 8 * 5 * 32 * 4  # languages, sentences, layers with the embedding, width, float32


def test_a_grid_without_receipts_is_counted_to_the_pass(folder, tmp_path, seen):
    line = "transplant --languages de --limit 3 --measure logprob --controls shuffled same_language --method packed"
    settings = settings_for(line, folder, tmp_path)
    cost, _ = count(settings)
    model = settings.load_model()
    import experiments.transplant as command
    from interp.interventions.grid.grid import choose
    from interp.interventions.grid.scores import ask

    choose(model, [[5, 6]], [ask(model, [5, 6], "logprob", options=["a b c"])], "packed")  # the trial of the method, once a model
    seen.update(forwards=0, tokens=0)
    study = command._planned(settings, model)
    study.scores(study.jobs())
    works = {work.what: work for work in cost.works}
    grids = next(work for what, work in works.items() if what.startswith("run the cells"))
    ratios = 3 * 2  # prompts of both languages are also read for the ratio of norms, which `scores` leaves out
    donors = works["run the donors"]
    assert seen["forwards"] == grids.forwards + donors.forwards - 2
    assert donors.items - ratios == 3 * 4


@pytest.mark.parametrize(
    ("line", "room"),
    [("transplant --languages de fr --limit 60", "grids"), ("patch --languages de fr --limit 60 --keep all", "patches")],
)
def test_of_many_items_a_sample_is_counted_and_stands_for_all(line, room, folder, tmp_path, monkeypatch):
    settings = settings_for(line, folder, tmp_path)
    whole, _ = count(settings)
    monkeypatch.setattr(f"experiments.costs.{room}._COUNTED", 40)
    part, _ = count(settings)
    assert part.bound != "exact"
    assert part.sum("items") == pytest.approx(whole.sum("items"), rel=0.25)
    assert part.flops == pytest.approx(whole.flops, rel=0.25)
    assert part.flops != whole.flops, "fewer were counted"


def test_of_a_long_training_a_sample_is_counted_and_stands_for_all(folder, tmp_path, monkeypatch):
    line = "tune --languages de fr --limit 100 --samples 100 --epochs 8 --batch 8 --device-batch 4 --held-out 0.2"
    settings = settings_for(line, folder, tmp_path)
    whole, _ = count(settings)
    monkeypatch.setattr("experiments.costs.sweeping._TOKENIZED", 50)
    monkeypatch.setattr("experiments.costs.counting._DRAWN", 60)
    part, _ = count(settings)
    assert part.bound == "about"
    for name, off in [("steps", 0), ("items", 0.01), ("forwards", 0.05), ("prefill", 0.15)]:
        assert part.sum(name) == pytest.approx(whole.sum(name), rel=off), name
    assert part.flops != whole.flops, "fewer were counted"


def test_compare_costs_both_models(folder, tmp_path):
    settings = settings_for(f"compare --after {folder} --with align blocks --languages de --limit 8", folder, tmp_path)
    alone = settings_for("align --languages de --limit 8", folder, tmp_path)
    cost, single = count(settings)[0], count(alone)[0]
    aligned = [work for work in cost.works if work.what.startswith("align")]
    assert sum(work.tokens for work in aligned) == 2 * sum(work.tokens for work in single.works)
    assert any(work.what.startswith("blocks") for work in cost.works)


def test_a_check_costs_the_same_passes_on_every_model(folder, seen):
    settings = CheckSettings(str(folder))
    cost, _ = count(settings)
    seen.update(forwards=0, tokens=0)
    check(settings)
    assert seen["forwards"] <= cost.sum("forwards")
    assert cost.sum("prefill") <= 1.5 * seen["tokens"]
    assert seen["tokens"] <= cost.sum("prefill")


@pytest.mark.parametrize("family", ["llama", "qwen2", "gemma3", "gpt2"])
def test_an_outline_has_the_sizes_of_the_model(family, tmp_path):
    path = tiny_folder(family, tmp_path / "model")
    model, sketch = interp.load(str(path)), outline(str(path))
    assert size_of(sketch) == size_of(model)
    assert model.tokenizer("house")["input_ids"] == sketch.tokenizer("house")["input_ids"]


def test_flops_are_those_of_kaplan():
    """2 N + 2 n_layer n_ctx d_attn a token, a backward pass twice the forward."""
    size = Size(parameters=1000, embeddings=400, bytes=2000, layers=3, attention=8)
    text = Work("read", forwards=1, prefill=10, attended=10 * 10)
    assert Cost(size, (text,)).flops == 10 * (2 * 600 + 2 * 3 * 10 * 8)
    assert Cost(size, (Work("tune", 1, 10, attended=100, passes=3),)).flops == 3 * Cost(size, (text,)).flops


def test_work_adds_up_and_memory_does_not():
    a, b = Work("a", 1, 10, items=2, held=5), Work("b", 2, 20, items=3, held=7, bound="at most")
    both = a + b
    assert (both.forwards, both.prefill, both.items, both.held, both.bound) == (3, 30, 5, 7, "at most")
    assert a.times(3) == a + a + a
    with pytest.raises(ValueError, match="passes"):
        _ = a + Work("tune", passes=3)


@pytest.mark.parametrize(
    ("command", "args"),
    [("align", ["--limit", "8", "--languages", "de"]), ("tune", ["--languages", "de", "--limit", "40"]), ("check", [])],
)
def test_a_plan_says_the_hours_and_writes_nothing(command, args, folder, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("experiments.costs.rates._SECONDS", 0.01)
    where = tmp_path / "run"
    assert main([command, *args, "--model", str(folder), "--output", str(where), "--plan", "--plan-rate", "1e12"]) == 0
    said = capsys.readouterr().out
    assert "forwards" in said
    assert "FLOPs" in said
    assert "of forwards (measured" in said
    assert "seconds to start and load" in said
    assert "of memory, libraries included" in said
    assert "at 1 TFLOP/s" in said
    assert not where.exists()


def test_the_memory_of_a_process_is_what_it_holds_and_what_the_largest_work_adds():
    import psutil

    size, model = Size(1, 0, 4, 1, 1), interp.load("bundled")
    now = psutil.Process().memory_info().rss
    small, large = (resident(model, Cost(size, (Work("a", held=1), Work("b", held=held)))) for held in (1, 10**9))
    assert small == pytest.approx(now, rel=0.05)
    assert large - small == pytest.approx(10**9, rel=0.05)


@pytest.mark.parametrize("rate", ["nan", "inf", "-3", "0"])
def test_a_rate_that_is_none_is_refused_by_a_check_too(rate, capsys):
    assert main(["check", "--plan", f"--plan-rate={rate}"]) == 2
    assert "--plan-rate: got" in capsys.readouterr().err


def test_a_comparison_with_nothing_is_not_planned(capsys):
    assert main(["compare", "--model", "bundled", "--plan"]) == 2
    assert "got no --after" in capsys.readouterr().err


def test_a_plan_looks_for_the_texts_of_a_recipe_as_a_run_does(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["lens", "--config", "lens-snli20", "--model", "bundled", "--plan"]) == 2
    assert "--corpus 'snli20' is a folder" in " ".join(capsys.readouterr().err.split())


def test_a_command_that_runs_no_model_says_so(capsys, tmp_path):
    assert main(["vocabulary", "--plan", "--limit", "4", "--output", str(tmp_path / "run")]) == 0
    assert "no forward pass" in capsys.readouterr().out


def test_a_long_run_says_its_cost_at_the_start_and_a_short_one_does_not(folder, tmp_path, capsys, monkeypatch):
    settings = settings_for("align --languages de --limit 8", folder, tmp_path)
    answer(settings)
    assert "what it will cost" not in capsys.readouterr().err
    monkeypatch.setattr("experiments.costs.plan.LONG", 0.0)
    answer(settings_for("align --languages de --limit 8", folder, tmp_path / "other"))
    assert "what it will cost" in capsys.readouterr().err
