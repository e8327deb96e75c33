"""One loss of a token: measured or trained on, padded left or right, it is the same number, with its gradient."""

from __future__ import annotations

import pytest
import torch

from interp.generation.loss import row_losses, sentence_losses, token_losses
from interp.models.tokens import IGNORED
from interp.tuning import Example, encode_examples, template
from interp.tuning.fit import answer_loss, example_losses
from interp.tuning.hybrids import answer_losses
from tests.support.tiny import tiny, tiny_hf, tiny_tokenizer

TEXTS = ["The cat sleeps on the stone.", "猫", "Die Katze schläft auf dem warmen Stein, und der Hund schaut auf den Fluss."]


@pytest.mark.parametrize("family", ["llama", "bloom", "xglm"])
def test_the_loss_of_a_text_is_that_of_a_loop_over_its_tokens(family: str) -> None:
    losses, tokens = sentence_losses(tiny(family), TEXTS, max_tokens=64)
    for text, loss, count in zip(TEXTS, losses, tokens, strict=True):
        ids = torch.tensor([tiny_tokenizer(family)(text)["input_ids"]])
        with torch.no_grad():
            said = tiny(family)(ids, attention_mask=torch.ones_like(ids), use_cache=False)[0].log_softmax(-1)
        assert count == ids.shape[1] - 1
        assert float(loss) == pytest.approx(-sum(float(said[k, ids[0, k + 1]]) for k in range(int(count))), rel=1e-4)


def test_an_example_has_one_loss_wherever_it_is_measured() -> None:
    examples = [Example(f"e/{n}", "Say it.", text, text, "eng_Latn", "deu_Latn", f"e/{n}") for n, text in enumerate(TEXTS)]
    data = encode_examples(tiny_tokenizer("llama"), examples, template("bare"), 120)
    bridged, plain = answer_losses(tiny("llama"), data), example_losses(tiny_hf("llama"), data)
    assert bridged == pytest.approx(plain, abs=1e-5)
    for ids, labels, loss in zip(data.ids, data.labels, plain, strict=True):
        logits = tiny_hf("llama")(torch.tensor([ids])).logits.detach().requires_grad_()
        aims = torch.tensor([labels])
        trained = answer_loss({"logits": logits}, aims)
        expected = torch.nn.functional.cross_entropy(logits[0, :-1], aims[0, 1:], ignore_index=IGNORED)
        assert float(trained.detach()) == pytest.approx(loss, abs=1e-5)
        gradients = [torch.autograd.grad(one, logits)[0] for one in (trained, expected)]
        assert torch.allclose(*gradients, atol=1e-7)


def test_rows_add_up_to_their_tokens() -> None:
    logits = torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[IGNORED, 1, 2, 3, 4], [IGNORED] * 5, [0, IGNORED, IGNORED, IGNORED, 6]])
    sums, counts = row_losses(logits, labels)
    each = token_losses(logits, labels)
    assert counts.tolist() == [4, 0, 1]
    assert sums.tolist() == pytest.approx([float(each[:4].sum()), 0, float(each[4])])


def test_losses_taken_a_few_at_a_time_are_those_taken_together(monkeypatch: pytest.MonkeyPatch) -> None:
    logits = torch.randn(3, 5, 7, generator=torch.Generator().manual_seed(0))
    labels = torch.tensor([[IGNORED, 1, 2, 3, 4], [IGNORED] * 5, [0, IGNORED, IGNORED, IGNORED, 6]])
    together = token_losses(logits.clone().requires_grad_(), labels).detach()
    monkeypatch.setattr("interp.generation.loss._FLOATS", 2 * 7)
    assert torch.allclose(token_losses(logits, labels), together, atol=1e-6)


def test_a_loss_that_is_not_finite_is_refused_by_the_name_of_its_example() -> None:
    model = tiny_hf("llama")
    torch.nn.init.constant_(model.lm_head.weight, float("nan"))
    data = encode_examples(tiny_tokenizer("llama"), [Example("e/7", "", "x", "y", "en", "de", "e/7")], template("bare"), 20)
    with pytest.raises(ValueError, match="the loss of example 'e/7' is NaN"):
        example_losses(model, data)
