"""Few-shot prompts as lines and as the turns of a chat."""

from __future__ import annotations

import copy

import pytest

import interp
import probes
from interp.models.load import TransformerBridge
from probes.lens.few_shots import FewShotPrompt
from probes.lens.word_prompts import translation_prompts
from tests.support.tiny import tiny_hf, tiny_tokenizer

CHAT = "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] | trim }}{% endfor %}<assistant>"
WORDS = interp.ParallelCorpus(
    "words", {"eng_Latn": ("cat", "dog", "house"), "deu_Latn": ("Katze", "Hund", "Haus"), "fra_Latn": ("chat", "chien", "maison")}
)


@pytest.fixture
def chatty() -> TransformerBridge:
    tokenizer = copy.deepcopy(tiny_tokenizer("qwen2"))
    tokenizer.chat_template = CHAT
    return interp.load(tiny_hf("qwen2"), tokenizer=tokenizer)


def test_examples_are_turns_and_the_quotation_mark_opens_the_answer(chatty: TransformerBridge) -> None:
    asked = FewShotPrompt((('Haus: "', 'house"'),), 'Hund: "', begun="d")
    assert asked.write() == 'Haus: "house"\nHund: "d'
    assert asked.write(chatty.tokenizer) == '<user>Haus:<assistant>"house"<user>Hund:<assistant>"d'
    assert FewShotPrompt((), "Hund is ").write(chatty.tokenizer) == "<user>Hund is<assistant>"


def test_a_word_prompt_says_the_same_in_lines_and_in_a_chat(chatty: TransformerBridge) -> None:
    lines = translation_prompts(WORDS, "deu_Latn", "fra_Latn", shots=2).prompts
    chats = translation_prompts(WORDS, "deu_Latn", "fra_Latn", shots=2, tokenizer=chatty.tokenizer).prompts
    for line, chat in zip(lines, chats, strict=True):
        said = chat.replace("<user>", "\n").replace("<assistant>", " ").strip("\n")
        assert said == line
        assert chat.count("<user>") == chat.count("<assistant>") == 3


def test_the_lens_reads_where_the_assistant_answers(chatty: TransformerBridge) -> None:
    """Without examples, a chat differs from a line only by the markers of its template, which a line can spell too."""
    how = {"source": "deu_Latn", "shots": 0, "controls": False}
    chat = probes.measure_latent_language(chatty, WORDS, chat=True, **how)
    line = '<user>{source}: "{word}" - {target}:<assistant>"{answer}"'
    by_hand = probes.measure_latent_language(chatty, WORDS, line=line, **how)
    assert chat.table.equals(by_hand.table)
    assert "chat" in str(chat.signature)
    assert "chat" not in str(by_hand.signature)


def test_a_tokenizer_without_a_chat_template_is_refused() -> None:
    model = interp.load(tiny_hf("qwen2"), tokenizer=tiny_tokenizer("qwen2"))
    with pytest.raises(ValueError, match="without a chat template"):
        probes.measure_tokens(model, "the cat", chat=True)
