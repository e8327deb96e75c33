"""The `with` block of a transplant: what it changes, when it ends, and which input is refused."""

from __future__ import annotations

import pytest
import torch

from interp.interventions.transplant import record_donor, transplant_grid, transplanted
from interp.models.sites import hook_name
from tests.interp.interventions.grid.test_grid import SOURCE, TARGET, forward
from tests.support.tiny import LAYERS, tiny


def test_generation_is_that_of_the_library_inside_the_with_block():
    model = tiny("llama")
    ids = model.tokenizer(TARGET, return_tensors="pt")["input_ids"]
    grid = transplant_grid(model, SOURCE, TARGET, "generate", max_new_tokens=8)
    differing = 0
    for i, j in ((3, 0), (1, 2)):
        with transplanted(model, SOURCE, source=i, target=j):
            hf = model.original_model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
            own = model.generate(ids, max_new_tokens=8, do_sample=False, verbose=False, stop_at_eos=True)
        assert grid[i, j].tolist()[: hf.shape[1] - ids.shape[1]] == hf[0, ids.shape[1] :].tolist()
        assert own[0].tolist() == hf[0].tolist()
        untouched = model.original_model.generate(ids, attention_mask=torch.ones_like(ids), max_new_tokens=8, do_sample=False)
        differing += hf.tolist() != untouched.tolist()
    assert differing, "no cell changed the text"


def test_the_block_changes_only_what_lies_at_and_above_the_target():
    model = tiny("qwen3")
    names = [hook_name("residual_post", block) for block in range(LAYERS)]
    ids = torch.tensor([model.tokenizer(TARGET)["input_ids"]])
    with torch.no_grad():
        _, clean = model.run_with_cache(ids, names_filter=names)
        with transplanted(model, SOURCE, source=3, target=2):
            _, edited = model.run_with_cache(ids, names_filter=names)
        _, after = model.run_with_cache(ids, names_filter=names)
    moved = [(clean[name] - edited[name]).abs()[0].amax(-1) for name in names]
    assert all(float(block.max()) == 0 for block in moved[:2])
    assert all(float(block[:-1].max()) == 0 and float(block[-1]) > 1e-2 for block in moved[2:])
    assert all(torch.equal(clean[name], after[name]) for name in names)


def test_hooks_are_gone_after_an_exception():
    model = tiny("llama")
    clean = forward(model, TARGET)
    with pytest.raises(RuntimeError, match="meant: True"), transplanted(model, SOURCE, source=3, target=0):
        raise RuntimeError(f"meant: {(forward(model, TARGET) - clean).abs().max() > 1e-2}")
    assert torch.equal(forward(model, TARGET), clean)


def test_padding_on_the_right_is_refused():
    model = tiny("llama")
    ids = torch.tensor([[5, 6, 7], [5, 6, 2]])
    mask = torch.tensor([[1, 1, 1], [1, 1, 0]])
    with pytest.raises(ValueError, match="padded on the right"), transplanted(model, SOURCE, source=0, target=0):
        model(ids, attention_mask=mask)
    with transplanted(model, SOURCE, source=0, target=1, position=0):
        left = model(torch.tensor([[5, 6, 7], [2, 5, 6]]), attention_mask=torch.tensor([[1, 1, 1], [0, 1, 1]]), use_cache=False)
        alone = model(torch.tensor([[5, 6]]), attention_mask=torch.ones(1, 2), use_cache=False)
    torch.testing.assert_close(left[1, -1], alone[0, -1], atol=1e-4, rtol=0)


def test_several_donors_are_averaged():
    model = tiny("llama")
    prompts = [SOURCE, "Die Katze"]
    mean = torch.stack([record_donor(model, prompt) for prompt in prompts]).mean(0)
    torch.testing.assert_close(transplant_grid(model, prompts, TARGET), transplant_grid(model, mean, TARGET), atol=1e-4, rtol=0)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"source_prompt": torch.zeros(LAYERS, 7)}, "another model"),
        ({"source_prompt": torch.full((LAYERS, 32), torch.nan)}, "NaN"),
        ({"sources": [LAYERS]}, "block of 0 to 3"),
        ({"targets": [0, 0]}, "each once"),
        ({"target_prompt": [5] * 200}, "expected at most 128"),
        ({"target_prompt": [5] * 120, "score": "generate"}, "expected at most 128"),
        ({"target_prompt": []}, "no token"),
        ({"score": "logprob", "options": [""]}, "which has no token"),
        ({"score": "choice", "options": [" a"]}, "at least 2"),
        ({"score": "logit_difference", "options": [" a", " b"], "gold": 2}, "gold 2"),
        ({"score": "best"}, "expected one of"),
        ({"source_site": ("head", 0)}, "two heads"),
        ({"source_site": ("head", 9), "target_site": ("head", 0)}, "heads 0 to 3"),
        ({"method": "wave", "score": "generate"}, "first-token"),
    ],
)
def test_bad_input_is_named(arguments, message):
    given = {"source_prompt": SOURCE, "target_prompt": TARGET, **arguments}
    with pytest.raises(ValueError, match=message):
        transplant_grid(tiny("llama"), **given)
