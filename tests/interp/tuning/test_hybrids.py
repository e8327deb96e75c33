"""Between two models: exact at both ends, and nothing is left behind."""

import numpy as np
import pytest
import torch

import interp
from interp.text.corpus import ParallelCorpus
from interp.tuning import encode_examples, template, translations
from interp.tuning.hybrids import answer_losses, blended, check_pair, input_table, parts, stitched_losses, weights, with_rows
from tests.support.tiny import FAMILIES, tiny, tiny_hf, tiny_tokenizer

CORPUS = ParallelCorpus("made", {"eng_Latn": ("the cat", "a warm stone"), "deu_Latn": ("die Katze", "ein warmer Stein hier")})
IDS, MASK = torch.tensor([[5, 90, 300, 7]]), torch.ones(1, 4, dtype=torch.long)


def _pair(family: str):
    return tiny(family), interp.load(tiny_hf(family, seed=1), tokenizer=tiny_tokenizer(family))


def _data(family: str):
    return encode_examples(tiny_tokenizer(family), translations(CORPUS, [("en", "de")]).examples, template("bare"), 120)


@torch.no_grad()
def _logits(model):
    return model(IDS, attention_mask=MASK, use_cache=False)


@pytest.mark.parametrize("family", FAMILIES)
def test_with_every_part_of_the_other_a_model_is_the_other_and_then_itself_again(family):
    base, tuned = _pair(family)
    own, goal = _logits(base), _logits(tuned)
    blocks = [blended(base, tuned, part) for part in parts(base)]
    for block in blocks:
        block.__enter__()
    assert torch.equal(_logits(base), goal)
    for block in reversed(blocks):
        block.__exit__(None, None, None)
    assert torch.equal(_logits(base), own)
    with blended(base, tuned, "1", alpha=0.0):
        assert torch.equal(_logits(base), own)


@pytest.mark.parametrize("family", FAMILIES)
def test_rows_are_read_from_the_other_model_and_the_output_stays(family):
    base, tuned = _pair(family)
    own = _logits(base)
    with with_rows(base, tuned, [90]):
        assert torch.equal(input_table(base)[90], input_table(tuned)[90])
        assert torch.equal(input_table(base)[91], tiny_hf(family).get_input_embeddings().weight[91])
        changed = _logits(base)
        assert torch.equal(base.unembed.original_component.weight, tiny_hf(family).get_output_embeddings().weight)
    assert torch.allclose(changed[:, 0], own[:, 0], atol=1e-5)  # the first token is another row
    assert not torch.allclose(changed[:, 1], own[:, 1], atol=1e-3)
    assert torch.equal(_logits(base), own)


@pytest.mark.parametrize("family", ["llama", "gemma2", "bloom"])
def test_stitched_at_the_ends_is_one_model_or_the_other(family):
    base, tuned = _pair(family)
    data = _data(family)
    losses = stitched_losses(base, base, data)
    assert losses.shape == (base.cfg.n_layers + 1, 2)
    assert np.allclose(losses, answer_losses(base, data), atol=1e-5)
    stitched = stitched_losses(tuned, base, data)
    with blended(base, tuned, "embed"):
        assert np.allclose(stitched[0], answer_losses(base, data), atol=1e-5)
    with blended(tuned, base, "head"):
        assert np.allclose(stitched[-1], answer_losses(tuned, data), atol=1e-5)


def test_losses_do_not_depend_on_the_batch_and_agree_with_training():
    from interp.tuning.fit import example_losses

    data = _data("llama")
    assert np.allclose(answer_losses(tiny("llama"), data), example_losses(tiny_hf("llama"), data), atol=1e-5)


def test_weights_are_named_once_and_a_shared_table_in_both_parts():
    found = weights(tiny("gpt2"))
    assert {part for part, _ in found.values()} == set(parts(tiny("gpt2")))
    assert found["transformer.wte.weight"][1].data_ptr() == found["lm_head.weight"][1].data_ptr()
    assert (found["transformer.wte.weight"][0], found["lm_head.weight"][0]) == ("embed", "head")
    per_block = sum(tensor.numel() for part, tensor in found.values() if part == "2")
    assert per_block == sum(tensor.numel() for name, tensor in tiny_hf("gpt2").named_parameters() if ".h.2." in name)


def test_models_that_are_not_relatives_are_refused():
    with pytest.raises(ValueError, match="two models that differ"):
        check_pair(tiny("llama"), tiny("mistral"))
    other = tiny_tokenizer("llama").__class__(tokenizer_object=tiny_tokenizer("llama").backend_tokenizer, eos_token="<new>")
    stranger = interp.load(tiny_hf("llama"), tokenizer=other)
    with pytest.raises(ValueError, match="different tokenizers"):
        check_pair(tiny("llama"), stranger)
    with pytest.raises(ValueError, match="part '9'"), blended(tiny("llama"), tiny("llama"), "9"):
        pass
