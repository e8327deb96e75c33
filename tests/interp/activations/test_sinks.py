"""Attention sinks: found wherever they stand, left out of the pooling, listed, and never read in place of a text."""

from __future__ import annotations

from functools import cache
from pathlib import Path

import pytest
import torch
from transformers import PreTrainedModel

import interp
from interp.activations.sinks import SINK, describe_sinks, sink_detector
from interp.lens.train import _rows
from interp.models.batches import encode
from interp.models.checks.receipts import collected
from interp.models.load import TransformerBridge
from interp.text.corpus import ParallelCorpus
from tests.support.tiny import tiny, tiny_hf, tiny_tokenizer

TEXTS = {
    "eng_Latn": ("The cat sleeps on the warm stone, and the dog", "The dog looks at the river"),
    "deu_Latn": ("Die Katze schläft auf dem warmen Stein, und", "der Hund schaut auf den Fluss"),
}
CORPUS = ParallelCorpus("sentences", TEXTS)
SECOND = encode(tiny("gpt2"), [","])[0][0]


@cache
def planted() -> PreTrainedModel:
    """A GPT-2, whose tokenizer adds no BOS, with a huge first position and a huge comma."""
    hf = tiny_hf("gpt2")
    with torch.no_grad():
        hf.transformer.wpe.weight[0] *= 100
        hf.transformer.wte.weight[SECOND] *= 100
    return hf


@cache
def model() -> TransformerBridge:
    return interp.load(planted(), tokenizer=tiny_tokenizer("gpt2"))


@torch.no_grad()
def states(text: str, start: tuple[int, ...] = ()) -> tuple[list[int], torch.Tensor]:
    """Token ids, and Hugging Face's own states of them, `[layer token d_model]`."""
    ids = [*start, *encode(model(), [text])[0]]
    kept = {}
    blocks = planted().transformer.h
    handles = [block.register_forward_hook(lambda _, __, out, n=n: kept.__setitem__(n, out)) for n, block in enumerate(blocks)]
    planted()(torch.tensor([ids]))
    for handle in handles:
        handle.remove()
    outputs = [kept[n][0] if isinstance(kept[n], tuple) else kept[n] for n in range(len(blocks))]
    return ids, torch.stack([each.reshape(len(ids), -1) for each in outputs])


def wanted(text: str, pooling: str) -> torch.Tensor:
    ids, held = states(text)
    kept = [place for place, token in enumerate(ids) if place > 0 and token != SECOND]
    if pooling == "last":
        return held[:, kept[-1]]
    weights = torch.tensor([place + 1.0 if pooling == "weighted" else 1.0 for place in kept])
    return (weights[:, None] * held[:, kept]).sum(1) / weights.sum()


@pytest.mark.parametrize("pooling", ["mean", "weighted", "last"])
@pytest.mark.parametrize("max_tokens", [1, 1000])
def test_the_first_token_and_a_later_sink_are_left_out_whatever_the_batch(pooling: str, max_tokens: int) -> None:
    acts = interp.capture(model(), CORPUS, pooling=pooling, max_tokens=max_tokens, progress=False)
    for code, texts in TEXTS.items():
        for item, text in enumerate(texts):
            torch.testing.assert_close(acts[code][1:, item], wanted(text, pooling), atol=1e-4, rtol=1e-4)
            commas = [place for place, token in enumerate(encode(model(), [text])[0]) if token == SECOND]
            assert acts.left_out(code)[item] == (0, *commas)
    assert "sinks:omit" in str(acts.signature)


def test_sinks_are_kept_for_who_wants_them() -> None:
    acts = interp.capture(model(), CORPUS, sinks="keep", progress=False)
    _, held = states(TEXTS["deu_Latn"][1])
    torch.testing.assert_close(acts["deu_Latn"][1:, 1], held.mean(1), atol=1e-3, rtol=1e-4)
    assert acts.left_out("deu_Latn") == [(), ()]
    assert "sinks:keep" in str(acts.signature)


def test_without_a_sink_nothing_is_left_out() -> None:
    for family in ("llama", "gpt2", "qwen2"):
        acts = interp.capture(tiny(family), CORPUS, progress=False)
        kept = interp.capture(tiny(family), CORPUS, sinks="keep", progress=False)
        assert not any(any(acts.left_out(code)) for code in TEXTS)
        assert torch.equal(acts["eng_Latn"], kept["eng_Latn"])


def test_a_folder_remembers_what_was_left_out(tmp_path: Path) -> None:
    here = interp.capture(model(), CORPUS, progress=False)
    interp.capture(model(), CORPUS, folder=tmp_path, progress=False)
    again = interp.Activations.load(tmp_path)
    assert [again.left_out(code) for code in TEXTS] == [here.left_out(code) for code in TEXTS]
    assert torch.equal(again["eng_Latn"], here["eng_Latn"])
    with pytest.raises(ValueError, match="with sinks 'omit', and now sinks is 'keep'"):
        interp.capture(model(), CORPUS, folder=tmp_path, sinks="keep", progress=False)


def test_a_sink_at_the_end_of_a_prompt_is_remembered_and_checked_against_the_file(tmp_path: Path) -> None:
    how = {"pooling": "end", "template": "{sentence} and,", "progress": False}
    with collected() as receipts:
        kept = interp.capture(model(), CORPUS, folder=tmp_path, **how)
    assert [receipt.n > 0 for receipt in receipts] == [True]
    here = interp.capture(model(), CORPUS, **how)
    for code, texts in TEXTS.items():
        assert kept.left_out(code) == here.left_out(code)
        for item, text in enumerate(texts):
            ids, held = states(f"{text} and,")
            assert ids[-1] == SECOND
            assert kept.left_out(code)[item][-1] == len(ids) - 1
            torch.testing.assert_close(kept[code][1:, item], held[:, -2], atol=1e-4, rtol=1e-4)


NAMES = ParallelCorpus("names", {"eng_Latn": ("The", "The cat"), "deu_Latn": ("der Hund", "Die Katze")})


def test_a_text_of_one_token_is_read_behind_a_start_token_as_are_all_others() -> None:
    assert len(encode(model(), list(NAMES.sentences["eng_Latn"]))[0]) == 1
    acts = interp.capture(model(), NAMES, progress=False)
    assert "start:</s>" in str(acts.signature)
    end = model().tokenizer.eos_token_id
    for code in NAMES.languages:
        for item, text in enumerate(NAMES.sentences[code]):
            _, held = states(text, (end,))
            torch.testing.assert_close(acts[code][1:, item], held[:, 1:].mean(1), atol=1e-4, rtol=1e-4)
            assert acts.left_out(code)[item] == ()
    only = interp.capture(model(), NAMES, only=["deu_Latn"], progress=False)
    assert only.signature == acts.signature, "a process of its own decides for all languages"


PIECES = ParallelCorpus("pieces", {"eng_Latn": ("The dog", "The,,,"), "deu_Latn": ("der Hund", "Die Katze")})


def test_a_text_of_several_sinks_and_nothing_else_is_read_behind_a_start_token() -> None:
    ids = encode(model(), ["The,,,"])[0]
    assert len(ids) == 4
    assert set(ids[1:]) == {SECOND}
    acts = interp.capture(model(), PIECES, progress=False)
    assert "start:</s>" in str(acts.signature)
    assert acts.left_out("eng_Latn") == [(), (1, 2, 3)]
    for item, text in enumerate(PIECES.sentences["eng_Latn"]):
        _, held = states(text, (model().tokenizer.eos_token_id,))
        torch.testing.assert_close(acts["eng_Latn"][1:, item], held[:, 1:][:, : 1 if item else None].mean(1), atol=1e-4, rtol=1e-4)
    only = interp.capture(model(), PIECES, only=["deu_Latn"], progress=False)
    assert only.signature == acts.signature, "the need is known before anything is captured, in every process"
    assert "start" not in interp.capture(model(), CORPUS, progress=False).signature.settings


class Contagious(torch.nn.Embedding):
    """Token embeddings that make a sink of what follows one of them, as untrained tokens of published models do."""

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        follows = torch.nn.functional.pad(ids[:, :-1] == tiny_tokenizer("gpt2").eos_token_id, (1, 0))
        return super().forward(ids) * torch.where(follows, 100.0, 1.0)[..., None]


def test_a_start_behind_which_words_are_sinks_gives_way_to_the_next() -> None:
    hf = tiny_hf("gpt2")
    with torch.no_grad():
        hf.transformer.wpe.weight[0] *= 100
    hf.transformer.wte.__class__ = Contagious
    acts = interp.capture(interp.load(hf, tokenizer=tiny_tokenizer("gpt2")), NAMES, progress=False)
    assert "start:Ċ" in str(acts.signature), "the newline, and not </s>, the first in order"
    assert acts.left_out("eng_Latn") == [(), ()]


def test_a_text_is_judged_by_all_of_its_tokens_whatever_it_begins_with() -> None:
    """A text needs no start if a token of it is no sink, however late; one that stays nothing but sinks behind it is refused."""
    late = ParallelCorpus("late", {"eng_Latn": ("The,,,,,, dog",), "deu_Latn": ("der Hund",)})
    assert "start" not in interp.capture(model(), late, progress=False).signature.settings
    commas = ParallelCorpus("commas", {"eng_Latn": (",,,",), "deu_Latn": ("der Hund",)})
    with pytest.raises(ValueError, match=r"nothing but attention sinks .* Read every text in a template"):
        interp.capture(model(), commas, progress=False)


def test_a_text_that_is_its_sink_is_refused_with_the_remedy() -> None:
    with pytest.raises(ValueError, match=r"nothing but attention sinks in the tokens \['The'\] of sentence .*start="):
        interp.capture(model(), NAMES, start="", progress=False)
    acts = interp.capture(model(), NAMES, start="<pad>", progress=False)
    assert "start:<pad>" in str(acts.signature)
    word = model().tokenizer.convert_ids_to_tokens(encode(model(), [" the"])[0])
    signatures = {str(interp.capture(model(), NAMES, start=start, progress=False).signature) for start in (" the", *word)}
    assert len(signatures) == 1, "a start token is also known by the name that a signature gives it"
    with pytest.raises(ValueError, match="which is 4 tokens, expected a single token"):
        interp.capture(model(), NAMES, start="The cat the", progress=False)
    with pytest.raises(ValueError, match="this tokenizer puts a special token before every text itself"):
        interp.capture(tiny("llama"), NAMES, start="</s>", progress=False)


def test_the_threshold_is_a_multiple_of_the_median_of_ordinary_tokens() -> None:
    detector = sink_detector(model())
    assert detector.first
    assert not sink_detector(tiny("gpt2")).first
    norms = detector.medians[:, None] * torch.tensor([1.0, SINK - 0.1, SINK + 0.1])
    assert detector.sinks(norms).tolist() == [False, False, True]


def test_the_notes_say_how_many_texts_lost_a_token_and_what_was_put_before_them() -> None:
    assert describe_sinks(interp.capture(tiny("gpt2"), CORPUS, progress=False)) == ()
    (told,) = describe_sinks(interp.capture(model(), CORPUS, progress=False))
    assert "the first token of 4 of 4 texts, a later token of 2" in told
    (told,) = describe_sinks(interp.capture(model(), NAMES, progress=False))
    assert "behind the token </s>" in told


def test_a_tuned_lens_is_neither_trained_on_sinks_nor_measured_on_them() -> None:
    detector = sink_detector(model())
    hidden, owners = _rows(model(), list(TEXTS["eng_Latn"]), 128, detector)
    ids = [encode(model(), [text])[0] for text in TEXTS["eng_Latn"]]
    kept = [sum(token != SECOND for token in each[1:]) for each in ids]
    assert owners.bincount().tolist() == kept
    assert float(hidden[1:].norm(dim=-1).max()) < SINK * float(detector.medians.max())
