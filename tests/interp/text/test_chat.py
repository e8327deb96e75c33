"""A text in a chat template: pooled over the sentence, answered behind the assistant's header, and never with two BOS."""

from __future__ import annotations

import copy

import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizer, PreTrainedTokenizerFast

import interp
from interp.models.load import TransformerBridge
from interp.models.tokens import prompt_ids, read_texts
from interp.text.chat import chat_digest, chat_task, in_chat
from interp.text.corpus import ParallelCorpus, ParallelTask
from tests.support.tiny import tiny_hf, tiny_tokenizer

CHAT = "{{ bos_token }}{% for m in messages %}<{{ m['role'] }}>{{ m['content'] | trim }}{% endfor %}<assistant>"
CORPUS = ParallelCorpus("two", {"eng_Latn": ("The cat sleeps", "the dog"), "deu_Latn": ("Die Katze", "der Hund schaut")})


def model(family: str) -> TransformerBridge:
    tokenizer = copy.deepcopy(tiny_tokenizer(family))
    tokenizer.chat_template = CHAT if family == "llama" else CHAT.removeprefix("{{ bos_token }}")
    return interp.load(tiny_hf(family), tokenizer=tokenizer)


@pytest.mark.parametrize("family", ["llama", "qwen2"])
def test_a_sentence_in_chat_is_pooled_over_its_own_tokens(family: str) -> None:
    chatty = model(family)
    acts = interp.capture(chatty, CORPUS, chat=True, template="{language}: {sentence}!", progress=False)
    end = interp.capture(chatty, CORPUS, chat=True, template="{language}: {sentence}!", pooling="end", progress=False)
    tokenizer, hf = chatty.tokenizer, tiny_hf(family)
    text = ("<s>" if family == "llama" else "") + "<user>German: Die Katze!<assistant>"
    ids = tokenizer(text, add_special_tokens=False)["input_ids"]
    with torch.no_grad():
        states = hf(torch.tensor([ids]), output_hidden_states=True).hidden_states
    first, last = text.index("Die"), text.index("!")
    offsets = tokenizer(text, add_special_tokens=False, return_offsets_mapping=True)["offset_mapping"]
    inside = [place for place, (start, stop) in enumerate(offsets) if start < last and stop > first]
    torch.testing.assert_close(acts["deu_Latn"][2, 0], states[2][0, inside].mean(0), atol=1e-5, rtol=0)
    torch.testing.assert_close(end["deu_Latn"][2, 0], states[2][0, -1], atol=1e-5, rtol=0)
    assert "chat:" in str(acts.signature)


def test_a_prompt_that_begins_with_the_bos_gets_no_second_one() -> None:
    tokenizer = tiny_tokenizer("llama")
    bos = tokenizer.bos_token_id
    written, bare = prompt_ids(tokenizer, ["<s>the cat", "the cat"])
    assert written == bare
    assert written.count(bos) == 1
    (tokens,) = read_texts(tokenizer, ["<s>the cat"], offsets=True)
    assert (tokens.start, tokens.stop) == (0, len(bare))


def test_a_slow_tokenizer_and_one_that_does_not_know_the_letter_a_add_no_second_bos_either() -> None:
    for tokenizer in (Slow(), cjk_tokenizer()):
        written, bare = prompt_ids(tokenizer, ["<s>\N{CJK UNIFIED IDEOGRAPH-732B}", "\N{CJK UNIFIED IDEOGRAPH-732B}"])
        assert written == bare == [0, 3]


class Slow(PreTrainedTokenizer):
    """One token per character or special token, and a BOS in front."""

    def __init__(self) -> None:
        self.pieces = ["<s>", "</s>", "<unk>", "\N{CJK UNIFIED IDEOGRAPH-732B}"]
        super().__init__(bos_token="<s>", eos_token="</s>", unk_token="<unk>")

    @property
    def vocab_size(self) -> int:
        return len(self.pieces)

    def get_vocab(self) -> dict[str, int]:
        return {piece: index for index, piece in enumerate(self.pieces)}

    def _tokenize(self, text: str, **_: object) -> list[str]:
        return list(text)

    def _convert_token_to_id(self, token: str) -> int:
        return self.get_vocab().get(token, 2)

    def _convert_id_to_token(self, index: int) -> str:
        return self.pieces[index]

    def build_inputs_with_special_tokens(self, ids: list[int], pair: list[int] | None = None) -> list[int]:
        return [0, *ids, 1]


def cjk_tokenizer() -> PreTrainedTokenizerFast:
    """A fast tokenizer of one character, with a BOS in front and an end behind; all else is unknown."""
    tokenizer = Tokenizer(models.WordLevel(Slow().get_vocab(), unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=[("<s>", 0), ("</s>", 1)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>", unk_token="<unk>")


def test_a_task_in_chat_ends_where_the_assistant_answers() -> None:
    chatty = model("llama")
    task = ParallelTask("capitals", {"eng_Latn": ("The capital of Peru is",)}, {"eng_Latn": (("Lima",),)})
    asked = chat_task(chatty.tokenizer, task)
    assert asked.prompts["eng_Latn"] == ("<s><user>The capital of Peru is<assistant>",)
    assert asked.answers == task.answers
    assert asked.identity.sha != task.identity.sha
    assert "chat" in asked.name


def test_a_template_that_writes_the_day_gives_another_digest_on_another_day() -> None:
    tokenizer = copy.deepcopy(tiny_tokenizer("llama"))
    tokenizer.chat_template = "{{ strftime_now('%H%M%S%f') }}{{ messages[0]['content'] }}"
    assert chat_digest(tokenizer) != chat_digest(tokenizer)
    tokenizer.chat_template = CHAT
    assert chat_digest(tokenizer) == chat_digest(tokenizer)


def test_a_tokenizer_without_a_template_or_one_that_loses_the_message_is_refused() -> None:
    with pytest.raises(ValueError, match="tokenizer without a chat template, expected that of a chat model"):
        in_chat(tiny_tokenizer("llama"), "a cat")
    tokenizer = copy.deepcopy(tiny_tokenizer("llama"))
    tokenizer.chat_template = "hello"
    with pytest.raises(ValueError, match="does not write the message 'a cat'"):
        in_chat(tokenizer, "a cat")
    for template in ("{{ raise_exception('no user') }}", "{{ unknown() }}", {"tools": "a", "documents": "b"}):
        tokenizer.chat_template = template
        with pytest.raises(ValueError, match="refuses a single message of a user"):
            in_chat(tokenizer, "a cat")
    tokenizer.chat_template = "{{ messages[0]['content'] | lower }}"
    with pytest.raises(ValueError, match="does not write the message"):
        interp.capture(interp.load(tiny_hf("llama"), tokenizer=tokenizer), CORPUS, chat=True, progress=False)
    with pytest.raises(ValueError, match="include_bos and a template"):
        interp.capture(model("llama"), CORPUS, chat=True, include_bos=True)
