"""Text that tokenizers spell byte by byte, and vocabularies that do so, built in memory: Llama 2's byte fallback, plain bytes."""

from __future__ import annotations

from functools import cache

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

import interp
from interp.languages import language

TAGS = ("am", "as", "gu", "km", "kn", "lo", "ml", "mr", "my", "or", "pa", "ta", "te", "th")
"""The 14 languages of the published decoding maps (arXiv 2311.09071)."""

HARD = (
    "{0}\u200d{1}", "{0}\u200c{1}", "{0}\u200b{1}\u200b", "“{0}” ‘{1}’ — {0}…", "{0} 中文，{1}。", "{0}ไทย{1}ខ្មែរ",
    "{0} 🙂👩\u200d👧 {1}", "a{0}b {1}\n\t{0}", "é{0}Ж{1}", "{0}\ufffd{1}", "\ufeff{0}  {1} ",
)  # fmt: skip
"""Joiners, zero-width spaces, curly quotes, Chinese, two scripts with other leads, emoji: put between words of a language."""


@cache
def phrases(tag: str) -> tuple[str, ...]:
    """Real phrases of a language, and the same words in the hard frames."""
    code = language(tag).code
    plain = interp.read("cldr:phrases", languages=[code]).sentences[code][::31]
    return (*plain, *(frame.format(*pair) for frame in HARD for pair in zip(plain[:5], plain[5:10], strict=True)))


@cache
def byte_fallback(kind: str = "bpe") -> PreTrainedTokenizerFast:
    """SentencePiece as Llama 2 has it (`bpe`, or `unigram`): Latin pieces, `▁` for space, `<0xHH>` for what they do not spell."""
    letters = ["▁", *map(chr, range(33, 127)), "é"]
    merged = [
        ("▁", "t"),
        ("h", "e"),
        ("▁t", "he"),
        ("▁", "a"),
        ("n", "d"),
        ("▁a", "nd"),
        ("e", "r"),
        ("i", "n"),
        ("▁", "F"),
        ("r", "a"),
    ]
    pieces = ["<s>", "</s>", "<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), *letters, *("".join(pair) for pair in merged)]
    if kind == "bpe":
        vocabulary = {piece: place for place, piece in enumerate(pieces)}
        model: models.Model = models.BPE(vocabulary, merged, byte_fallback=True, unk_token="<unk>", fuse_unk=True)
    else:
        scores = [0.0] * 259 + [-6.0] * len(letters) + [-7.0] * len(merged)
        model = models.Unigram(list(zip(pieces, scores, strict=True)), unk_id=2, byte_fallback=True)
    tokenizer = Tokenizer(model)
    tokenizer.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
    )
    tokenizer.post_processor = processors.TemplateProcessing("<s> $A", special_tokens=[("<s>", 0)])
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, unk_token="<unk>", bos_token="<s>", eos_token="</s>")


@cache
def byte_level(*lines: str) -> PreTrainedTokenizerFast:
    """Byte-level BPE as GPT-2 has it, its merges learned from `lines`: none where there is no line."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=258 + 100 * bool(lines), special_tokens=["<s>", "</s>"], initial_alphabet=pre_tokenizers.ByteLevel.alphabet()
    )
    tokenizer.train_from_iterator(lines, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=tokenizer, eos_token="</s>", pad_token="</s>")
