"""Shortened ids come back exactly, in real text of 14 scripts and in any text at all; what cannot be told apart is refused."""

from __future__ import annotations

import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import AutoTokenizer

import interp
from interp.activations.spans import spans
from interp.languages import language
from interp.models.checkpoints.parts import read_tokenizer
from interp.vocabulary.shortened_tokenizer import SHORTENING, shortened
from interp.vocabulary.shortening import Shortening, plan_shortening
from interp.vocabulary.spelling import read_vocabulary
from tests.support.shared import DATA
from tests.support.spelled import TAGS, byte_fallback, byte_level, phrases
from tests.support.tiny import tiny_hf, tiny_tokenizer

VOCABULARIES = {"fallback": byte_fallback(), "unigram": byte_fallback("unigram"), "bytes": byte_level()}
THAI = "ภาษาไทย"


def scan(text: bytes, lead: int) -> bytes:
    """The oracle: section 1.4 of the methods note, on bytes: a bare continuation at a boundary is lead + 2."""
    out, place = b"", 0
    while place < len(text):
        byte = text[place]
        if 0x80 <= byte <= 0xBF:
            out, place = out + bytes([lead]) + text[place : place + 2], place + 2
        else:
            n = 1 if byte < 0x80 else 2 if byte < 0xE0 else 3 if byte < 0xF0 else 4
            out, place = out + text[place : place + n], place + n
    return out


@pytest.mark.parametrize(("tag", "kind"), [*((tag, kind) for tag in TAGS for kind in ("fallback", "bytes")), ("th", "unigram")])
def test_real_text_of_fourteen_scripts_comes_back_exactly_and_is_shorter(tag, kind):
    tokenizer, texts = VOCABULARIES[kind], list(phrases(tag))
    for drop in (1, 2):
        plan = plan_shortening(tokenizer, texts, drop)
        own = shortened(tokenizer, plan)
        long, short = tokenizer(texts)["input_ids"], own(texts)["input_ids"]
        assert [plan.restore(ids) for ids in short] == long
        assert [plan.restore(ids) for ids in long] == long  # what was never shortened is left alone
        assert own.batch_decode(short, skip_special_tokens=True) == tokenizer.batch_decode(long, skip_special_tokens=True) == texts
        assert sum(map(len, long)) > sum(map(len, short)) >= plan.after
        assert plan.saved > {1: 0.25, 2: 0.15}[drop]


@pytest.mark.parametrize("corpus", ["flores200", "udhr"])
def test_prose_comes_back_exactly(corpus):
    folder = DATA / corpus
    if not folder.is_dir():
        pytest.skip("the shared data is not here")
    files = [path for path in (folder / f"{language(tag).code}.txt" for tag in TAGS) if path.is_file()]
    assert files
    for path in files:
        lines = path.read_text(encoding="utf-8").split("\n")[:12]
        own = shortened(VOCABULARIES["fallback"], plan_shortening(VOCABULARIES["fallback"], lines))
        long, short = VOCABULARIES["fallback"](lines)["input_ids"], own(lines)["input_ids"]
        assert [own.shortening.restore(ids) for ids in short] == long
        assert own.batch_decode(short, skip_special_tokens=True) == lines
        assert sum(map(len, short)) < 0.75 * sum(map(len, long))


@settings(max_examples=40, deadline=None)
@given(
    st.text(st.one_of(st.characters(codec="utf-8"), st.sampled_from("ไทยខ្មែรአማ\u200b\u200c\u200d“”中🙂 aé"))),
    st.sampled_from((1, 2)),
)
def test_any_text_comes_back_exactly(text, drop):
    for tokenizer in (VOCABULARIES["fallback"], VOCABULARIES["bytes"], byte_level(*phrases("km")[:30])):
        own = _thai(tokenizer, drop)
        long = tokenizer(text)["input_ids"]
        assert own.shortening.restore(own(text)["input_ids"]) == long
        assert own.decode(own(text)["input_ids"]) == tokenizer.decode(long)


@settings(max_examples=40, deadline=None)
@given(st.text("ไทยखខ្មែรa é“🙂"))
def test_the_scan_agrees_with_the_published_rule_on_bytes(text):
    own = _thai(VOCABULARIES["bytes"], 1)
    spelling = read_vocabulary(VOCABULARIES["bytes"]).spelling
    short = b"".join(spelling[token] for token in own(text)["input_ids"])
    assert scan(short, own.shortening.prefix[0]) == text.encode()
    assert short == own.shortening.bytes_of(text)


@given(st.lists(st.integers(-3, 600), max_size=40))
def test_whatever_a_model_writes_can_be_decoded(ids):
    plan = _thai(VOCABULARIES["fallback"], 1).shortening
    assert [token for token in plan.restore(ids) if token not in plan.dropped] == [
        token for token in ids if token not in plan.dropped
    ]


def test_pure_byte_text_loses_a_third_and_with_a_constant_second_byte_two_thirds():
    words = ["မြန်မာ", "ဘာသာ"]
    assert plan_shortening(VOCABULARIES["bytes"], words, 1).saved == pytest.approx(1 / 3)
    assert plan_shortening(VOCABULARIES["bytes"], words, 2).saved == pytest.approx(2 / 3)
    assert plan_shortening(VOCABULARIES["bytes"], ["עברית"], 1).saved == pytest.approx(1 / 2)


def test_the_plan_tells_how_constant_the_lead_is():
    plan = plan_shortening(VOCABULARIES["bytes"], ["ไทย“", "ខ"])
    assert (plan.prefix, plan.begun, plan.split, plan.constancy) == (b"\xe0", 3, 5, 0.6)
    assert (plan.before, plan.after, plan.saved) == (15, 12, pytest.approx(0.2))


def test_a_second_script_keeps_its_lead_so_that_two_leads_are_no_loss():
    own = _thai(VOCABULARIES["bytes"], 1)
    spelling = read_vocabulary(VOCABULARIES["bytes"]).spelling
    ids = own("ไខไខ")["input_ids"]
    assert b"".join(spelling[token] for token in ids) == "ไ".encode()[1:] + "ខ".encode() + "ไ".encode()[1:] + "ខ".encode()
    assert own.decode(ids) == "ไขไข".replace("ข", "ខ")


def test_ids_that_spell_no_text_are_refused():
    own = _thai(VOCABULARIES["bytes"], 1)
    with pytest.raises(ValueError, match="bare continuation byte at index 0"):
        own.shortening.shorten(own(THAI)["input_ids"])


def test_byte_level_merges_are_shortened_where_they_keep_the_lead_apart_and_refused_where_not():
    merged = byte_level(*phrases("th"))  # here "E0 B8" is one token
    with pytest.raises(ValueError, match="drop=2"):
        plan_shortening(merged, phrases("th"), 1)
    plan = plan_shortening(merged, phrases("th"), 2)
    assert len(plan.dropped) == 1
    assert plan.spelling[plan.dropped[0]] == plan.prefix
    assert 0 < plan.saved < 0.2
    with pytest.raises(ValueError, match="nothing to shorten"):
        plan_shortening(merged, ["plain"])
    with pytest.raises(ValueError, match="vocabulary extension"):
        plan_shortening(byte_level(" é", " ñ", " ó", " ö"), [" ü"])  # here space and lead are one token


def test_offsets_masks_padding_and_truncation_fit_the_shortened_ids():
    own = _thai(VOCABULARIES["fallback"], 1)
    texts = ["ไทย a", "a"]
    found = own(texts, return_offsets_mapping=True, return_special_tokens_mask=True)
    for key in ("attention_mask", "offset_mapping", "special_tokens_mask"):
        assert [len(row) for row in found[key]] == [len(row) for row in found["input_ids"]]
    assert len(found["input_ids"][0]) == 1 + 1 + 3 * 2 + 1
    (span,) = spans(own, ["ท"], ("ไ", "ย"))
    assert [own.convert_ids_to_tokens(token) for token in span.ids[span.start : span.stop]] == ["<0xB8>", "<0x97>"]
    own.padding_side, own.pad_token = "left", "</s>"
    batch = own(texts, padding=True, return_tensors="pt")
    assert batch["input_ids"].shape == batch["attention_mask"].shape == (2, 9)
    assert batch["attention_mask"].sum(1).tolist() == [9, 2]
    assert own(texts[0], truncation=True, max_length=4)["input_ids"] == found["input_ids"][0][:4]
    assert own.encode(texts[0]) == found["input_ids"][0]
    assert own.tokenize(texts[0]) == own.convert_ids_to_tokens(own(texts[0], add_special_tokens=False)["input_ids"])
    assert own([""])["input_ids"] == [[0, *VOCABULARIES["fallback"]("", add_special_tokens=False)["input_ids"]]]
    with pytest.raises(ValueError, match="overflowing"):
        own(texts, truncation=True, max_length=4, return_overflowing_tokens=True)


def test_a_word_begins_with_the_token_that_follows_what_was_left_out():
    own = _thai(VOCABULARIES["bytes"], 1)
    vocabulary = read_vocabulary(own)
    assert {vocabulary.spelling[token] for token in vocabulary.tokens("ไทย")} == {b"\xb9"}
    assert b"\xb9" in {vocabulary.spelling[token] for token in vocabulary.tokens("ไทย", "prefix")}
    assert {vocabulary.spelling[token] for token in vocabulary.tokens("a")} == {b"a"}


def test_the_folder_says_that_it_is_shortened_and_only_interp_honours_it(tmp_path):
    own = _thai(VOCABULARIES["fallback"], 1)
    own.save_pretrained(tmp_path)
    again, plain = read_tokenizer(str(tmp_path), None), AutoTokenizer.from_pretrained(tmp_path)
    assert again(THAI)["input_ids"] == own(THAI)["input_ids"]
    assert again.shortening == own.shortening
    assert again.shortening.saved == own.shortening.saved
    assert plain(THAI)["input_ids"] == VOCABULARIES["fallback"](THAI)["input_ids"]
    assert type(again).__name__ == type(plain).__name__
    assert "plain transformers" in json.loads((tmp_path / SHORTENING).read_text())["note"]


def test_a_file_that_does_not_fit_the_tokenizer_is_refused(tmp_path):
    own = _thai(VOCABULARIES["fallback"], 1)
    own.save_pretrained(tmp_path)
    written = json.loads((tmp_path / SHORTENING).read_text())
    (tmp_path / SHORTENING).write_text(json.dumps(written | {"dropped": [5]}))
    with pytest.raises(ValueError, match="Use the tokenizer it was planned for"):
        read_tokenizer(str(tmp_path), None)
    for broken in ("{", "[]", json.dumps({"prefix": "zz"})):
        (tmp_path / SHORTENING).write_text(broken)
        with pytest.raises(ValueError, match="not readable"):
            read_tokenizer(str(tmp_path), None)
    with pytest.raises(ValueError, match="expected the beginning of a character"):
        Shortening(b"a", (0,), (b"a",))
    with pytest.raises(ValueError, match="shortened already"):
        plan_shortening(own, [THAI])


def test_the_same_weights_under_shorter_ids_are_another_model():
    hf, own = tiny_hf("llama"), _thai(tiny_tokenizer("llama"), 1)
    plain, short = interp.load(hf, tokenizer=tiny_tokenizer("llama")), interp.load(hf, tokenizer=own)
    assert interp.identify(plain).sha != interp.identify(short).sha
    assert short.to_tokens(THAI).tolist() == [own(THAI)["input_ids"]]
    assert short.to_string(short.to_tokens(THAI)) == ["<s>" + THAI]


def _thai(tokenizer, drop):
    key = (id(tokenizer), drop)
    if key not in _MADE:
        _MADE[key] = (tokenizer, shortened(tokenizer, plan_shortening(tokenizer, [THAI], drop)))
    return _MADE[key][1]


_MADE: dict = {}
