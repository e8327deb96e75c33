"""The plain model beside a bridge: the same numbers at every site, and the bridge itself wherever it would not be the same."""

from __future__ import annotations

import pytest
import torch

import interp
from interp.models.batches import encode, pad
from interp.models.load import TransformerBridge
from interp.models.plain.model import Plain
from interp.models.plain.runner import runner
from interp.models.sites import gate_hook, hook_name, neuron_hook
from tests.support.tiny import FAMILIES, LAYERS, tiny_hf, tiny_tokenizer

JOINT = ("gpt2", "bloom")
"""Families whose joint query-key-value weight the bridge splits into weights of its own."""
SITES = ("mlp", "attention", "residual_pre", "residual_mid", "residual_post")
TEXTS = ["The cat sleeps on the warm stone.", "Le chat"]


def tiny(family: str) -> TransformerBridge:
    """A model of this test alone: on a shared one another test's hooks may stand, and then the bridge runs, as it should."""
    return interp.load(tiny_hf(family), tokenizer=tiny_tokenizer(family))


def names(block: int) -> list[str]:
    return [*(hook_name(site, block) for site in SITES), neuron_hook(block), gate_hook(block)]


def held(running, model, hooks):
    """What is at each hook at the real tokens of a padded batch, and the logits."""
    batch, found = pad(model, encode(model, TEXTS)), {}
    real = batch.mask.bool()
    keep = [(name, lambda state, hook, name=name: found.update({name: state[real].clone()})) for name in hooks]
    with torch.no_grad():
        found["logits"] = running.run_with_hooks(batch.ids, attention_mask=batch.mask, use_cache=False, fwd_hooks=keep)[real]
    return found


@pytest.mark.parametrize("family", [family for family in FAMILIES if family not in JOINT])
def test_the_plain_model_holds_what_the_bridge_holds_also_behind_padding(family):
    model = tiny(family)
    hooks = [name for block in range(LAYERS) for name in names(block)]
    running = runner(model, hooks)
    assert isinstance(running, Plain)
    ours, theirs = held(running, model, hooks), held(model, model, hooks)
    assert ours.keys() == theirs.keys()
    for name, state in theirs.items():
        torch.testing.assert_close(ours[name], state, atol=1e-4, rtol=0, msg=lambda text, name=name: f"{name}: {text}")


@pytest.mark.parametrize("family", JOINT)
def test_weights_that_the_bridge_keeps_twice_run_through_the_bridge(family):
    model = tiny(family)
    assert runner(model, [hook_name("mlp", 1)]) is model


def test_what_is_written_changes_what_follows_as_in_the_bridge():
    model = tiny("gemma2")
    ids = torch.tensor([model.tokenizer(TEXTS[0])["input_ids"]])
    for site in SITES:
        hook = (hook_name(site, 1), lambda state, hook: state.roll(1, -1))
        running = runner(model, [hook[0]])
        assert isinstance(running, Plain)
        with torch.no_grad():
            ours, theirs = (one.run_with_hooks(ids, fwd_hooks=[hook], use_cache=False) for one in (running, model))
            clean = model(ids, use_cache=False)
        torch.testing.assert_close(ours, theirs, atol=1e-4, rtol=0)
        assert (ours - clean).abs().max() > 1e-2, "a write that changes nothing proves nothing"


def test_a_hook_on_the_bridge_is_never_passed_by():
    model, name = tiny("llama"), hook_name("mlp", 1)
    assert isinstance(runner(model, [name]), Plain)
    with model.hooks(fwd_hooks=[(name, lambda state, hook: 0 * state)]):
        assert runner(model, [name]) is model
    handle = model.original_model.register_forward_hook(lambda module, args, output: None)
    assert runner(model, [name]) is model
    handle.remove()
    assert isinstance(runner(model, [name]), Plain)


def test_a_weight_written_into_is_that_of_both_and_a_new_one_is_the_bridges():
    model, name = interp.load(tiny_hf("llama", seed=3), tokenizer=tiny_tokenizer("llama")), hook_name("mlp", 1)
    before = held(runner(model, [name]), model, [name])
    parameter = next(p for n, p in model.original_model.named_parameters() if "layers.1" in n and "down_proj" in n)
    with torch.no_grad():
        parameter.mul_(2)
    running = runner(model, [name])
    assert isinstance(running, Plain)
    torch.testing.assert_close(held(running, model, [name])[name], 2 * before[name], atol=1e-4, rtol=0)
    parameter.data = parameter.data.clone()
    assert runner(model, [name]) is model


def other_buffer(model):
    owner = next(module for module in model.original_model.modules() if "inv_freq" in module._buffers)
    owner._buffers["inv_freq"] = 3 * owner._buffers["inv_freq"]


def other_forward(model):
    module = next(module for module in model.original_model.modules() if type(module).__name__ == "LlamaMLP")
    module.forward = lambda states: 0 * states


def other_layer(model):
    parent = next(module for module in model.original_model.modules() if type(module).__name__ == "LlamaMLP")
    parent.act_fn = torch.nn.Tanh()


CHANGES = {
    "training": lambda model: model.train(),
    "epsilon": lambda model: setattr(find(model, "variance_epsilon"), "variance_epsilon", 0.5),
    "scale": lambda model: setattr(find(model, "scaling"), "scaling", 0.9),
    "buffer": other_buffer,
    "forward": other_forward,
    "module": other_layer,
    "configuration": lambda model: setattr(model.original_model.config, "rms_norm_eps", 0.9),
    "dtype": lambda model: model.original_model.double(),
}


def find(model, name):
    return next(module for module in model.original_model.modules() if name in vars(module))


@pytest.mark.parametrize("change", CHANGES)
def test_a_bridge_that_was_changed_runs_itself(change):
    model, name = tiny("llama"), hook_name("mlp", 1)
    model(torch.tensor([[3, 5, 7]]))
    assert isinstance(runner(model, [name]), Plain), "a forward pass changes nothing"
    CHANGES[change](model)
    assert runner(model, [name]) is model


def test_a_hook_in_the_place_of_the_bridges_own_is_seen():
    model = tiny("xglm")
    point = next(point for point in model.hook_dict.values() if point._forward_hooks)
    assert isinstance(runner(model, [hook_name("mlp", 1)]), Plain)
    point._forward_hooks.clear()
    point.add_hook(lambda state, hook: 0 * state)
    assert runner(model, [hook_name("mlp", 1)]) is model
