"""One rule for the tokens of a prompt and of what follows it, on every kind of tokenizer."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import interp
from interp.generation.continuation import continuation, continue_prompts
from interp.generation.generate import generate
from interp.generation.score import score
from interp.interventions.edits import tokens_of
from interp.interventions.prompts import marked
from interp.lens.logit_lens import read_positions, read_prompts
from interp.models.tokens import end_tokens, prompt_ids, read_texts
from interp.text.corpus import ParallelCorpus
from interp.tuning import Example, Template, encode_examples
from tests.support.tiny import tiny_hf, tiny_tokenizer
from tests.support.tokenizers import TOKENIZERS

# Of each tokenizer: what stands in front, then ids of "Answer: " + "4", of "Answer:" + " 4", and of "un" + "kind".
RIGHT = {
    "byte-level": ("", "Answer : Ġ | 4", "Answer : | Ġ4", "un | kind"),
    "byte-level, space in front": ("", "Ġ Answer : Ġ | 4", "Ġ Answer : | Ġ4", "Ġ un | kind"),
    "byte-level, BOS": ("<s>", "<s> Answer : Ġ | 4", "<s> Answer : | Ġ4", "<s> un | kind"),
    "byte-level, BOS and EOS": ("<s>", "<s> Answer : Ġ | 4", "<s> Answer : | Ġ4", "<s> un | kind"),
    "byte-level, EOS": ("", "Answer : Ġ | 4", "Answer : | Ġ4", "un | kind"),
    "byte-level, EOS and language": ("", "Answer : Ġ | 4", "Answer : | Ġ4", "un | kind"),
    "metaspace always": ("<s>", "<s> ▁ Answer: ▁ | 4", "<s> ▁ Answer: | ▁4", "<s> ▁ un | kind"),
    "metaspace first": ("<s>", "<s> ▁ Answer: ▁ | 4", "<s> ▁ Answer: | ▁4", "<s> ▁ un | kind"),
    "metaspace never": ("", "Answer: ▁ | 4", "Answer: | ▁4", "un | kind"),
    "byte fallback": ("<s>", "<s> ▁ Answer: ▁ | 4", "<s> ▁ Answer: | ▁4", "<s> ▁ un | kind"),
    "unigram": ("</s>", "</s> ▁Answer: ▁ | 4", "</s> ▁Answer: | ▁4", "</s> ▁un | kind"),
    "wordpiece": ("<s>", "<s> answer : | 4", "<s> answer : | 4", "<s> un | ##kind"),
    "words": ("", "Answer : | 4", "Answer : | 4", "un | kind"),
    "bytes, slow": ("", "A n s w e r : [] | 4", "A n s w e r : | [] 4", "u n | k i n d"),
}
PAIRS = (("Answer: ", "4"), ("Answer:", " 4"), ("un", "kind"))


def ids_of(tokenizer: Any, tokens: str) -> list[int]:
    return tokenizer.convert_tokens_to_ids([" " if one == "[]" else one for one in tokens.split()])


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_prompt_and_continuation_have_the_right_ids(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]()
    front, *lines = RIGHT[kind]
    assert prompt_ids(tokenizer, [""]) == [ids_of(tokenizer, front)]
    found = continue_prompts(tokenizer, [prompt for prompt, _ in PAIRS], [more for _, more in PAIRS])
    for line, (prompt, more), (asked, follows, _) in zip(lines, PAIRS, found, strict=True):
        before, after = (ids_of(tokenizer, part) for part in line.split("|"))
        assert (asked, follows) == (before, after), (prompt, more)
        assert prompt_ids(tokenizer, [prompt]) == [before]


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_training_reads_the_ids_that_are_asked_later(kind: str) -> None:
    tokenizer = TOKENIZERS[kind]()
    form = Template("{input}", "", "", "")
    for prompt, more in PAIRS:
        example = Example("e", "", prompt, more, "eng_Latn", "eng_Latn", "e")
        (asked, follows, melted) = continue_prompts(tokenizer, [form.prompt(example)], [form.answer(example)])[0]
        encoded = encode_examples(tokenizer, [example], form, 100)
        assert encoded.ids == ((*asked, *follows, tokenizer.eos_token_id),)
        assert encoded.seams == melted


def test_an_end_that_is_written_in_a_text_is_its_own() -> None:
    for kind in ("byte-level, BOS and EOS", "byte-level, EOS and language", "bytes, slow"):
        tokenizer = TOKENIZERS[kind]()
        front, own = prompt_ids(tokenizer, [""])[0], tokenizer("un", add_special_tokens=False)["input_ids"]
        assert prompt_ids(tokenizer, ["un</s>"]) == [[*front, *own, tokenizer.eos_token_id]]


def test_a_continuation_behind_ids_stands_in_the_middle_of_a_line() -> None:
    model = type("Model", (), {})()
    for kind in ("metaspace always", "byte fallback", "unigram", "byte-level, space in front"):
        model.tokenizer = TOKENIZERS[kind]()
        asked = prompt_ids(model.tokenizer, ["Answer:"])[0]
        for more, right in (("4", "4"), (" 4", "Ġ4" if kind.startswith("byte-level") else "▁4")):
            assert list(continuation(model, asked, more)) == ids_of(model.tokenizer, right), kind
    with pytest.raises(ValueError, match="which has no token"):
        continuation(model, "un", "")


def test_one_set_of_end_tokens() -> None:
    model = interp.load(tiny_hf("llama"), tokenizer=tiny_tokenizer("llama"))
    model.original_model.generation_config.eos_token_id = [7, 1]
    assert end_tokens(model) == (1, 7)
    model.original_model.generation_config.eos_token_id = None
    assert end_tokens(model) == (1,)


@pytest.fixture(scope="module")
def models() -> list[Any]:
    """The same weights with a tokenizer that sets BOS in front, and with one that closes every text as well."""
    found = []
    for frame in ("<s> $A", "<s> $A </s>"):
        tokenizer = tiny_tokenizer("llama")
        backend = type(tokenizer.backend_tokenizer).from_str(tokenizer.backend_tokenizer.to_str())
        around = [(name, backend.token_to_id(name)) for name in frame.split() if name != "$A"]
        backend.post_processor = type(tokenizer.backend_tokenizer.post_processor)(frame, special_tokens=around)
        own = type(tokenizer)(tokenizer_object=backend, bos_token="<s>", eos_token="</s>", pad_token="<pad>")
        found.append(interp.load(tiny_hf("llama"), tokenizer=own))
    return found


def test_every_reader_of_a_prompt_reads_before_the_end_token(models: list[Any]) -> None:
    prompt, other = "The cat sleeps on", "Die Katze schläft"
    classes = (torch.zeros(models[0].cfg.d_vocab, dtype=torch.long), 1)
    sets = torch.zeros(1, 1, 1, dtype=torch.long)
    corpus = ParallelCorpus("two", {"eng_Latn": (prompt, other), "deu_Latn": (other, prompt)})

    def read(model: Any) -> list[Any]:
        ids, positions = read_positions(model, prompt, classes)
        return [
            tokens_of(model, prompt), ids, positions.top_tokens, read_prompts(model, [prompt], sets, classes).mass,
            interp.transplant_grid(model, other, prompt, "logits"), marked(model, "The [[cat]] sleeps on"),
            generate(model, [prompt], max_new_tokens=4), list(score(model, [prompt], [" the warm stone"])),
            interp.capture(model, corpus, pooling="end")["eng_Latn"], interp.capture(model, corpus)["eng_Latn"],
        ]  # fmt: skip

    plain, closed = map(read, models)
    assert read_texts(models[1].tokenizer, [prompt])[0].ids[-1] == 1
    for one, two in zip(plain, closed, strict=True):
        if isinstance(one, torch.Tensor):
            assert torch.allclose(one.float(), two.float(), atol=1e-5)
        else:
            assert one == two or one == pytest.approx(two, abs=1e-4)
    last = models[1](torch.tensor([plain[0]]))[0, -1]
    assert int(plain[2][-1, -1, 0]) == int(last.argmax())
