"""Only what the scope allows moves, bit for bit; a killed run ends at the same weights; the folder is a model like any other."""

import json
import multiprocessing
import os
import signal

import pytest
import torch
from safetensors.torch import load_file
from transformers import AutoModelForCausalLM

import interp
import interp.tuning.fit
from interp.text.corpus import ParallelCorpus
from interp.tuning import Adapter, Recipe, TunedModel, copies, translations, tune
from interp.tuning.checkpoints import FOLDER
from interp.tuning.fit import example_losses
from interp.tuning.hybrids import blended
from interp.tuning.scopes import adapter_targets, moved_rows
from interp.tuning.templates import encode_examples, template
from tests.support.tiny import tiny_folder, tiny_hf, tiny_tokenizer

CORPUS = ParallelCorpus(
    "made",
    {"eng_Latn": tuple(f"the cat {n}" for n in range(20)), "deu_Latn": tuple(f"die Katze {n}" for n in range(20)),
     "rus_Cyrl": tuple(f"кошка {n}" for n in range(20))},
)  # fmt: skip
MIXTURE = translations(CORPUS, [("en", "de"), ("en", "ru")])
TABLE = {"llama": "model.embed_tokens.weight", "gpt2": "transformer.wte.weight", "bloom": "transformer.word_embeddings.weight",
         "xglm": "model.embed_tokens.weight"}  # fmt: skip


def _recipe(**changes) -> Recipe:
    return Recipe(**{"form": "bare", "learning_rate": 1e-2, "steps": 4, "batch": 8, "checkpoints": 0, "held_out": 0.2, **changes})


def _weights(folder) -> dict[str, torch.Tensor]:
    return {name: tensor.clone() for name, tensor in AutoModelForCausalLM.from_pretrained(folder).state_dict().items()}


def _moved(before, after) -> set[str]:
    return {name for name in after if not torch.equal(before[name], after[name])}


@pytest.mark.parametrize("family", TABLE)
def test_embedding_tuning_moves_the_seen_rows_of_the_input_table_and_nothing_else(family, tmp_path):
    parent = tiny_folder(family, tmp_path / "parent")
    tuned = tune(parent, MIXTURE, _recipe(scope="embeddings", tie="refuse" if family == "llama" else "untie"), tmp_path / "tuned")
    before, after = _weights(parent), _weights(tuned.folder)
    assert _moved(before, after) == {TABLE[family]} == set(tuned.details["moved"])
    rows = set(moved_rows(before[TABLE[family]], after[TABLE[family]]).nonzero().flatten().tolist())
    train, _ = MIXTURE.split(0.2, 42)
    texts = [f"{each.instruction}\n{each.input}\n{each.answer}" for each in train.examples]
    seen = {token for ids in tiny_tokenizer(family)(texts)["input_ids"] for token in ids}
    assert rows <= seen
    assert len(rows) == tuned.details["moved_rows"] > 20
    assert tuned.details["tie"] == ("none" if family == "llama" else "untie")


def test_a_tied_model_is_refused_unless_the_tie_is_decided(tmp_path):
    with pytest.raises(ValueError, match="ties its input and output"):
        tune(tiny_hf("gpt2"), MIXTURE, _recipe(scope="embeddings"), tmp_path, tokenizer=tiny_tokenizer("gpt2"))
    parent = tiny_hf("gpt2")
    tuned = tune(parent, MIXTURE, _recipe(scope="embeddings", tie="both"), tmp_path / "both", tokenizer=tiny_tokenizer("gpt2"))
    after = _weights(tuned.folder)
    assert tuned.details["tie"] == "both"
    assert torch.equal(after["transformer.wte.weight"], after["lm_head.weight"])
    assert _moved(parent.state_dict(), after) == {"transformer.wte.weight", "lm_head.weight"}
    rows = moved_rows(parent.state_dict()["lm_head.weight"], after["lm_head.weight"]).sum()
    assert 20 < rows <= tuned.details["seen_rows"] < 400  # the output gradient reaches all 400 rows; unseen ones stay


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_the_merged_model_is_the_adapter_and_only_its_maps_moved(family, tmp_path):
    import peft

    parent = tiny_folder(family, tmp_path / "parent")
    recipe = _recipe(scope="lora", adapter=Adapter(rank=4, alpha=8))
    tuned = tune(parent, MIXTURE, recipe, tmp_path / "tuned")
    targets = adapter_targets(tiny_hf(family))
    assert all(name.removesuffix(".weight").endswith(targets) for name in _moved(_weights(parent), _weights(tuned.folder)))
    assert len(tuned.details["moved"]) == 4 * len(targets)
    adapted = peft.PeftModel.from_pretrained(AutoModelForCausalLM.from_pretrained(parent), tuned.folder / "adapter")
    ids = torch.tensor([tiny_tokenizer(family)("the cat sleeps")["input_ids"]])
    with torch.no_grad():
        merged = AutoModelForCausalLM.from_pretrained(tuned.folder)(ids).logits
        assert torch.allclose(adapted.eval()(ids).logits, merged, atol=2e-5)
        assert not torch.allclose(AutoModelForCausalLM.from_pretrained(parent)(ids).logits, merged, atol=1e-2)


def test_full_tuning_learns_writes_where_it_came_from_and_leaves_the_parent_alone(tmp_path):
    parent = tiny_hf("llama")
    before = {name: tensor.clone() for name, tensor in parent.state_dict().items()}
    tuned = tune(parent, MIXTURE, _recipe(steps=30), tmp_path / "tuned", tokenizer=tiny_tokenizer("llama"))
    assert not _moved(before, parent.state_dict())
    held = tuned.details["held_out"]
    assert sum(held["after"]) < 0.7 * sum(held["before"])
    assert set(held["target"]) == {"deu_Latn", "rus_Cyrl"}
    assert tuned.final_loss < tuned.details["history"][0]["loss"]
    assert TunedModel.load(tuned.folder) == tuned
    model = interp.load(str(tuned.folder))
    assert tuned.parent.sha == interp.identify(interp.load(parent, tokenizer=tiny_tokenizer("llama"))).sha
    ids = torch.tensor([[5, 6, 7]])
    with torch.no_grad():
        same = AutoModelForCausalLM.from_pretrained(tuned.folder)(ids).logits
        assert torch.allclose(model(ids, attention_mask=torch.ones_like(ids), use_cache=False), same, atol=1e-5)
    pickles = [path for path in tuned.folder.rglob("*") if path.suffix in (".pt", ".pth", ".bin", ".pkl")]
    assert not pickles
    assert json.loads((tuned.folder / "config.json").read_text())["use_cache"] == parent.config.use_cache


def _tune_and_die(parent, folder, recipe, where):
    """A run whose process is killed while the second checkpoint is being written, or in the middle of a step."""
    if where == "checkpoint":
        marks = []
        whole = interp.tuning.fit.mark_whole
        interp.tuning.fit.mark_whole = lambda path: os.kill(os.getpid(), signal.SIGKILL) if marks else marks.append(whole(path))
    else:
        step = interp.tuning.fit._Trainer.training_step

        def dying(self, *args, **kwargs):
            if self.state.global_step == 5:
                os.kill(os.getpid(), signal.SIGKILL)
            return step(self, *args, **kwargs)

        interp.tuning.fit._Trainer.training_step = dying
    torch.set_num_threads(1)
    tune(parent, MIXTURE, recipe, folder)


@pytest.mark.parametrize(("scope", "where"), [("full", "checkpoint"), ("lora", "step"), ("embeddings", "step")])
def test_a_killed_run_ends_at_the_weights_of_one_that_was_not(scope, where, tmp_path):
    parent = tiny_folder("gpt2", tmp_path / "parent")  # its dropout makes the random state matter
    recipe = _recipe(scope=scope, tie="untie" if scope == "embeddings" else "refuse", steps=9, checkpoints=4)
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    straight = tune(parent, MIXTURE, recipe, tmp_path / "straight")
    folder = tmp_path / "killed"
    process = multiprocessing.get_context("fork").Process(target=_tune_and_die, args=(parent, folder, recipe, where))
    process.start()
    process.join(60)
    assert process.exitcode == -signal.SIGKILL
    assert any((folder / FOLDER).glob("checkpoint-*"))
    with pytest.raises(ValueError, match="unfinished run"):
        tune(parent, MIXTURE, recipe, folder)
    resumed = tune(parent, MIXTURE, recipe, folder, resume=True)
    torch.set_num_threads(threads)
    assert not _moved(_weights(straight.folder), _weights(resumed.folder))
    assert resumed.details["history"] == straight.details["history"]
    assert not (folder / FOLDER).exists()


def test_checkpoints_of_another_model_or_another_data_set_are_refused(tmp_path, monkeypatch):
    recipe = _recipe(checkpoints=2)

    def stopped(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(interp.tuning.fit._Trainer, "check_finite", stopped)
        with pytest.raises(KeyboardInterrupt):
            tune(tiny_hf("llama"), MIXTURE, recipe, tmp_path, tokenizer=tiny_tokenizer("llama"))
    with pytest.raises(ValueError, match="another run: its parent is"):
        tune(tiny_hf("llama", seed=1), MIXTURE, recipe, tmp_path, tokenizer=tiny_tokenizer("llama"), resume=True)
    with pytest.raises(ValueError, match="another run: its data is"):
        tune(tiny_hf("llama"), copies(CORPUS), recipe, tmp_path, tokenizer=tiny_tokenizer("llama"), resume=True)
    finished = tune(tiny_hf("llama"), MIXTURE, recipe, tmp_path, tokenizer=tiny_tokenizer("llama"), resume=True)
    with pytest.raises(ValueError, match="holds a finished tuned model"):
        tune(tiny_hf("llama"), MIXTURE, recipe, tmp_path, tokenizer=tiny_tokenizer("llama"))
    assert tune(tiny_hf("llama"), MIXTURE, recipe, tmp_path, tokenizer=tiny_tokenizer("llama"), resume=True) == finished
    with pytest.raises(ValueError, match="tuned with parent"):
        tune(tiny_hf("llama", seed=1), MIXTURE, recipe, tmp_path, tokenizer=tiny_tokenizer("llama"), resume=True)


def test_a_loss_that_is_not_finite_stops_and_names_the_last_good_checkpoint(tmp_path):
    recipe = _recipe(steps=40, checkpoints=40, learning_rate=1e30, clip=1e30, warmup=0.0)
    with pytest.raises(FloatingPointError, match=r"not finite|loss is (nan|inf)") as error:
        tune(tiny_hf("llama"), MIXTURE, recipe, tmp_path, tokenizer=tiny_tokenizer("llama"))
    assert "Last good checkpoint: " in str(error.value)
    for path in (tmp_path / FOLDER).glob("checkpoint-*/model.safetensors"):
        assert all(torch.isfinite(tensor).all() for tensor in load_file(path).values())
    assert not (tmp_path / "tuned.json").exists()


def test_gradient_checkpointing_changes_memory_and_not_the_model(tmp_path):
    runs = [tune(tiny_hf("llama"), MIXTURE, _recipe(scope="lora", recompute=recompute), tmp_path / str(recompute),
                 tokenizer=tiny_tokenizer("llama")) for recompute in (False, True)]  # fmt: skip
    plain, recomputed = (_weights(run.folder) for run in runs)
    assert all(torch.allclose(plain[name], recomputed[name], atol=1e-5) for name in plain)


def test_accumulated_small_batches_are_one_large_batch(tmp_path):
    runs = [tune(tiny_hf("llama"), MIXTURE, _recipe(device_batch=size, steps=3), tmp_path / str(size),
                 tokenizer=tiny_tokenizer("llama")) for size in (2, 8)]  # fmt: skip
    small, large = ([entry["loss"] for entry in run.details["history"] if "loss" in entry] for run in runs)
    assert len(small) == 3
    assert small == pytest.approx(large, rel=1e-4)


SCOPES = {
    "embeddings": {"scope": "embeddings"},
    "full": {"scope": "full"},
    "lora": {"scope": "lora", "adapter": Adapter(rank=4, alpha=8)},
}


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
@pytest.mark.parametrize("stored", [torch.float32, torch.bfloat16], ids=str)
@pytest.mark.parametrize("scope", SCOPES)
def test_a_tuned_model_keeps_the_checkpoints_dtype_and_is_reported_as_it_was_saved(scope, stored, dtype, tmp_path):
    parent = tiny_hf("llama").to(stored)
    parent.save_pretrained(tmp_path / "parent")
    tokenizer = tiny_tokenizer("llama")
    tokenizer.save_pretrained(tmp_path / "parent")
    tuned = tune(tmp_path / "parent", MIXTURE, _recipe(**SCOPES[scope], dtype=dtype), tmp_path / "tuned")
    saved = load_file(tuned.folder / "model.safetensors")
    assert {tensor.dtype for tensor in saved.values()} == {stored}
    assert interp.identify(interp.load(tuned.folder)).dtype == str(stored).removeprefix("torch.")
    held = MIXTURE.split(0.2, 42)[1]
    tested = encode_examples(tokenizer, held.examples, template("bare"), tuned.details["max_length"], "answer")
    for when, folder in (("before", tmp_path / "parent"), ("after", tuned.folder)):
        model = AutoModelForCausalLM.from_pretrained(folder, dtype="auto")
        assert model.dtype == stored
        assert tuned.details["held_out"][when] == example_losses(model, tested).tolist()
    assert tuned.details["moved"]
    assert _moved(load_file(tmp_path / "parent" / "model.safetensors"), saved) == set(tuned.details["moved"])


@pytest.mark.parametrize("tie", ["untie", "both"])
def test_a_tied_model_stays_in_bfloat16(tie, tmp_path):
    """Also the output table that untying adds to the folder."""
    parent = tiny_hf("gpt2").to(torch.bfloat16)
    parent.save_pretrained(tmp_path / "parent")
    tiny_tokenizer("gpt2").save_pretrained(tmp_path / "parent")
    tuned = tune(tmp_path / "parent", MIXTURE, _recipe(scope="embeddings", tie=tie), tmp_path / "tuned")
    saved = load_file(tuned.folder / "model.safetensors")
    assert {tensor.dtype for tensor in saved.values()} == {torch.bfloat16}
    assert ("lm_head.weight" in saved) == (tie == "untie")
    before, after = (interp.load(folder, dtype="auto") for folder in (tmp_path / "parent", tuned.folder))
    if tie == "both":
        with blended(before, after, "0", 0.5) as hybrid:
            assert {weight.dtype for weight in hybrid.original_model.parameters()} == {torch.bfloat16}


def test_training_in_bfloat16_moves_the_weights_it_would_move_in_float32(tmp_path):
    shares = {}
    for dtype in ("float32", "bfloat16"):
        recipe = _recipe(learning_rate=2e-5, dtype=dtype, schedule="constant", warmup=0.0)
        tuned = tune(tiny_hf("llama"), MIXTURE, recipe, tmp_path / dtype, tokenizer=tiny_tokenizer("llama"))
        before, after = tiny_hf("llama").state_dict(), load_file(tuned.folder / "model.safetensors")
        moved = sum(int((after[name] != before[name]).sum()) for name in after)
        shares[dtype] = moved / sum(each.numel() for each in after.values())
    assert shares["bfloat16"] == pytest.approx(shares["float32"], abs=0.02)
    assert shares["float32"] > 0.6


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"scope": "lora", "adapter": Adapter(targets=("c_attn", "lm_head"))}, "got target lm_head, expected some of"),
     ({"scope": "lora", "adapter": Adapter(targets=("q_proj",))}, "got target q_proj, expected linear layers"),
     ({"scope": "embeddings"}, "ties its input and output embeddings")],
)  # fmt: skip
def test_a_scope_the_model_cannot_have_is_refused_before_anything_is_written(changes, message, tmp_path):
    with pytest.raises(ValueError, match=message):
        tune(tiny_hf("gpt2"), MIXTURE, _recipe(**changes), tmp_path / "tuned", tokenizer=tiny_tokenizer("gpt2"))
    assert not (tmp_path / "tuned").exists()


def test_an_adapter_on_the_output_of_a_model_with_two_tables_is_merged_there_alone(tmp_path):
    recipe = _recipe(scope="lora", adapter=Adapter(rank=4, targets=("lm_head",)))
    tuned = tune(tiny_hf("llama"), MIXTURE, recipe, tmp_path, tokenizer=tiny_tokenizer("llama"))
    assert tuned.details["moved"] == ["lm_head.weight"]
    assert tuned.details["moved_rows"] == 0


@pytest.mark.parametrize(
    ("changes", "words"),
    [({"learning_rate": 0.0}, "learning_rate"), ({"held_out": 1.0}, "held_out"),
     ({"form": "nope"}, "got template 'nope'"), ({"scope": "embeddings", "weight_decay": 0.1}, "weight_decay 0.1"),
     ({"tie": "both"}, "expected scope 'embeddings'"),
     ({"adapter": Adapter(rank=0)}, "adapter rank 0")],
)  # fmt: skip
def test_a_recipe_that_cannot_work_is_refused(changes, words):
    with pytest.raises(ValueError, match=words):
        _recipe(**changes)


def test_a_recipe_with_a_setting_that_is_none_is_refused_and_no_default_taken():
    """As in the manifest of a model that another version tuned: its `template` is called `form` today."""
    with pytest.raises(ValueError, match="recipe: template: got 'quoted'"):
        Recipe.from_dict({"template": "quoted"})


def test_an_adapter_on_maps_the_model_does_not_have_lists_those_it_has(tmp_path):
    with pytest.raises(ValueError, match="c_attn"):
        tune(tiny_hf("gpt2"), MIXTURE, _recipe(scope="lora", adapter=Adapter(targets=("q_proj",))), tmp_path,
             tokenizer=tiny_tokenizer("gpt2"))  # fmt: skip
