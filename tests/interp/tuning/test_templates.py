"""The tokens that carry loss are the answer's and no other, on every kind of tokenizer."""

import pytest
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

from interp.tuning import TEMPLATES, Example, Template, encode_examples, template
from tests.support.tiny import tiny_tokenizer

LINES = [
    "The cat sleeps.",
    "Die Katze schläft auf dem Stein.",
    "猫在石头上睡觉。",
    "The response is here: 12",
    "### Input:\n### Response:",
]
EXAMPLES = [
    Example(f"e/{n}", "Translate it.", text, answer, "eng_Latn", "deu_Latn", f"e/{n}")
    for n, (text, answer) in enumerate(
        [
            ("The cat", "Die Katze"),
            ("a {brace}", "eine {Klammer}"),
            ("12", "猫在上。"),
            ("x", "\"'quoted'\" ending: "),
            ("नमस्ते", "ነፍስ"),
        ]
    )
]


def _sentencepiece(front: str | None, byte_fallback: bool) -> PreTrainedTokenizerFast:
    """Llama's and XGLM's kind: words begin with a mark, the text is given one in front, unknown letters become bytes."""
    tokenizer = Tokenizer(models.BPE(byte_fallback=byte_fallback, unk_token="<unk>", fuse_unk=True))
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    tokenizer.train_from_iterator(LINES, trainers.BpeTrainer(vocab_size=500, special_tokens=special))
    plain = PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>", bos_token="<s>")
    if front:
        pair = [(front, plain.convert_tokens_to_ids(front))]
        plain.backend_tokenizer.post_processor = processors.TemplateProcessing(f"{front} $A", special_tokens=pair)
    return plain


def _unigram() -> PreTrainedTokenizerFast:
    """XGLM's: unigram pieces, a mark before every word, `</s>` in front of the text."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    special = ["<unk>", "</s>"]
    tokenizer.train_from_iterator(LINES * 3, trainers.UnigramTrainer(vocab_size=120, special_tokens=special, unk_token="<unk>"))
    tokenizer.post_processor = processors.TemplateProcessing("</s> $A", special_tokens=[("</s>", tokenizer.token_to_id("</s>"))])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>")


def _closing() -> PreTrainedTokenizerFast:
    """One that closes every text with end-of-text itself, which must not stand between prompt and answer."""
    tokenizer = Tokenizer.from_str(tiny_tokenizer("gpt2").backend_tokenizer.to_str())
    ends = [("<s>", tokenizer.token_to_id("<s>")), ("</s>", tokenizer.token_to_id("</s>"))]
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A </s>", special_tokens=ends)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", bos_token="<s>")


TOKENIZERS = {
    "llama": lambda: _sentencepiece("<s>", byte_fallback=True),
    "gpt2": lambda: tiny_tokenizer("gpt2"),
    "bloom": lambda: tiny_tokenizer("bloom"),
    "xglm": _unigram,
    "xglm-bytes": lambda: tiny_tokenizer("xglm"),
    "llama3": lambda: tiny_tokenizer("llama"),
    "closing": _closing,
}


@pytest.mark.parametrize("kind", TOKENIZERS)
@pytest.mark.parametrize("name", sorted(TEMPLATES))
def test_prompt_tokens_are_those_of_the_prompt_alone_and_loss_is_on_the_rest(kind, name):
    tokenizer, form = TOKENIZERS[kind](), template(name)
    encoded = encode_examples(tokenizer, EXAMPLES, form, max_length=2000)
    assert encoded.kept == tuple(each.id for each in EXAMPLES)
    for each, ids, labels in zip(EXAMPLES, encoded.ids, encoded.labels, strict=True):
        asked = tokenizer(form.prompt(each))["input_ids"]
        asked = asked[:-1] if kind == "closing" else asked
        start = max(1, len(asked))
        assert list(ids[: len(asked)]) == asked
        assert labels == (-100,) * start + ids[start:]
        assert ids[-1] == tokenizer.eos_token_id
        assert list(ids).count(tokenizer.eos_token_id) == 1 + asked.count(tokenizer.eos_token_id)
        if kind != "xglm":  # its pieces know few letters
            reply = tokenizer.decode(ids[len(asked) : -1], clean_up_tokenization_spaces=False)
            assert reply.strip() == form.answer(each).strip()


def test_a_boundary_that_would_melt_into_one_token_is_kept_and_counted():
    tokenizer, form = tiny_tokenizer("gpt2"), Template("{input}", "", "", "")
    assert tokenizer("cat")["input_ids"] != tokenizer("ca")["input_ids"] + tokenizer("t")["input_ids"]
    example = Example("e", "", "ca", "t", "eng_Latn", "eng_Latn", "e")
    encoded = encode_examples(tokenizer, [example], form, 10)
    assert encoded.seams == 1
    assert encoded.ids[0] == (*tokenizer("ca")["input_ids"], *tokenizer("t")["input_ids"], tokenizer.eos_token_id)


def test_long_answers_are_cut_and_counted_and_lost_answers_dropped():
    tokenizer, form = tiny_tokenizer("llama"), template("bare")
    start = len(tokenizer(form.prompt(EXAMPLES[0]))["input_ids"])
    encoded = encode_examples(tokenizer, EXAMPLES[:1], form, start + 1)
    assert (encoded.truncated, encoded.dropped) == (1, ())
    assert encoded.ids[0][-1] != tokenizer.eos_token_id
    assert sum(label != -100 for label in encoded.labels[0]) == 1
    longer = Example("long", "Translate it, please, at once, and do not wait.", "The cat", "Die Katze", "en", "de", "long")
    encoded = encode_examples(tokenizer, [EXAMPLES[0], longer], form, start + 2)
    assert (encoded.kept, encoded.dropped) == (("e/0",), ("long",))
    with pytest.raises(ValueError, match="got max_length 3, expected more"):
        encode_examples(tokenizer, EXAMPLES, form, 3)


def test_the_whole_line_may_carry_loss():
    tokenizer = tiny_tokenizer("llama")
    encoded = encode_examples(tokenizer, EXAMPLES, template("mfti-1"), 200, mask="all")
    assert all(labels == (-100, *ids[1:]) for ids, labels in zip(encoded.ids, encoded.labels, strict=True))


def test_templates_say_what_they_should_and_unknown_ones_are_named():
    example = Example("e", "Translate it.", "The cat", "Die Katze", "eng_Latn", "deu_Latn", "e")
    assert template("mfti-1").prompt(example) == "Translation: [English]: The cat [German]:"
    assert template("question").prompt(example) == "The cat\nTranslate it.\n"
    assert template("alpaca").prompt(example).endswith("\n\n### Input:\nThe cat\n\n### Response:")
    assert "### Input" not in template("parrot").prompt(Example("e", "Say hi.", "", "hi", "en", "en", "e"))
    with pytest.raises(ValueError, match="Did you mean alpaca"):
        template("alpacca")
    with pytest.raises(ValueError, match="an empty mixture"):
        encode_examples(tiny_tokenizer("llama"), [], template("bare"), 10)
