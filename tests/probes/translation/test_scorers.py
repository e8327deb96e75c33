"""BLEU and spBLEU are printed in the tokens that their names say, or not at all, and no mean is taken over different tokens."""

import importlib.util

import numpy as np
import pytest
import sentencepiece
from sacrebleu.metrics import BLEU

import probes.translation.measure
from interp.text.corpus import ParallelCorpus
from probes.translation import scorers
from probes.translation.measure import measure_translation, translation_metrics
from probes.translation.scorers import check_one_scale, check_tokens, several_tokens, tokens_of
from tests.support.tiny import tiny

WORDS = {
    "eng_Latn": ("the old cat sleeps here", "a red stone", "three wide rivers"),
    "deu_Latn": ("die alte Katze schläft hier", "ein roter Stein", "drei breite Flüsse"),
    "zho_Hans": ("老猫睡在这里", "一块红色的石头", "三条大河"),
}
CORPUS = ParallelCorpus("made", WORDS)
TO = [("eng_Latn", "deu_Latn"), ("eng_Latn", "zho_Hans")]


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """No model of SentencePiece, and no network."""

    def unreachable(*_, **__):
        raise OSError("no route to host")

    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_spm.download_file", unreachable)
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_spm.SACREBLEU_DIR", str(tmp_path))
    yield from _forgotten()


@pytest.fixture
def vocabulary(monkeypatch, tmp_path):
    """A small SentencePiece model under the names of the two published ones."""
    (tmp_path / "models").mkdir()
    text, model = tmp_path / "text", tmp_path / "spm"
    text.write_text("\n".join(line for lines in WORDS.values() for line in lines), encoding="utf-8")
    sentencepiece.SentencePieceTrainer.train(input=str(text), model_prefix=str(model), model_type="char", minloglevel=2)
    for name in ("sacrebleu_tokenizer_spm.model", "flores200sacrebleuspm"):
        (tmp_path / "models" / name).write_bytes(model.with_suffix(".model").read_bytes())
    monkeypatch.setattr("sacrebleu.tokenizers.tokenizer_spm.SACREBLEU_DIR", str(tmp_path))
    yield from _forgotten()


def _forgotten():
    """What was found out about tokenizers is found out again, before a test and after it."""
    for cached in (scorers._missing, scorers.scorer):
        cached.cache_clear()
    yield
    for cached in (scorers._missing, scorers.scorer):
        cached.cache_clear()


@pytest.fixture
def perfect(monkeypatch):
    """A stand-in for generation that knows every translation."""
    known = {f'{text}" - {tongue}': WORDS[code][row] for row, text in enumerate(WORDS["eng_Latn"])
             for tongue, code in (("Deutsch", "deu_Latn"), ("中文", "zho_Hans"))}  # fmt: skip
    monkeypatch.setattr(
        probes.translation.measure, "generate",
        lambda model, prompts, **_: [next(said for mark, said in known.items() if mark in prompt) for prompt in prompts],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("code", "tokens"),
    [("deu_Latn", "13a"), ("zho_Hans", "zh"), ("zho_Hant", "zh"), ("yue_Hant", "zh"), ("jpn_Jpan", "ja-mecab"),
     ("kor_Hang", "ko-mecab"), ("tha_Thai", "char"), ("khm_Khmr", "char"), ("arb_Arab", "13a")],
)  # fmt: skip
def test_bleu_has_sacrebleus_tokens_for_each_target(code, tokens):
    assert tokens_of("bleu", code) == tokens
    assert tokens_of("chrf", code) == tokens_of("exact", code) == ""
    assert tokens_of("spbleu_flores200", code) == "flores200"
    assert tokens_of("spbleu_flores101", code) == tokens_of("spbleu_spm", code) == "flores101"


def test_without_its_vocabulary_spbleu_is_refused_before_a_model_is_asked(offline):
    for name, tokens in (("spbleu_flores101", "flores101"), ("spbleu_flores200", "flores200"), ("spbleu_spm", "flores101")):
        with pytest.raises(ValueError, match=rf"{name}.*tokenizer {tokens} is not available \(no route to host\). Put https"):
            translation_metrics([name], TO)
        with pytest.raises(ValueError, match="is not available"):
            measure_translation(tiny("llama"), CORPUS, TO, metrics=[name])


def test_spbleu_of_no_vocabulary_is_asked_which():
    with pytest.raises(ValueError, match="leaves its tokens open, expected spbleu_flores101"):
        translation_metrics(["spbleu"], TO)


@pytest.mark.skipif(importlib.util.find_spec("MeCab") is not None, reason="MeCab is installed")
def test_without_mecab_bleu_into_japanese_is_refused_and_left_out_of_the_default():
    directions = [("eng_Latn", "deu_Latn"), ("eng_Latn", "jpn_Jpan")]
    with pytest.raises(ValueError, match=r"'bleu' into jpn_Jpan.*pip install 'sacrebleu\[ja\]', or take chrf"):
        translation_metrics(["bleu"], directions)
    kept, left_out = translation_metrics([], directions)
    assert kept == ["exact", "chrf", "nll", "script"]
    assert left_out.startswith("Left out: metric 'bleu' into jpn_Jpan")
    assert translation_metrics([], TO)[0] == ["exact", "chrf", "bleu", "nll", "script"]


def test_the_signature_has_one_bleu_for_each_tokenizer_and_there_is_no_mean_over_them(perfect):
    report = measure_translation(tiny("llama"), CORPUS, TO, metrics=("bleu", "chrf"), resamples=20)
    line = str(report.signature)
    assert "bleu[deu_Latn]:nrefs:1|case:mixed|eff:no|tok:13a" in line
    assert "bleu[zho_Hans]:nrefs:1|case:mixed|eff:no|tok:zh" in line
    assert "chrf:nrefs:1" in line
    rows = report.summary().set_index(["metric", "target"])
    assert rows.loc[("bleu", "mean"), ["estimate", "lower", "upper", "baseline"]].isna().all()
    assert rows.loc[("bleu", "mean"), "n"] == 3
    assert rows.loc[("chrf", "mean"), "estimate"] == pytest.approx(100)
    own = BLEU(tokenize="zh", force=True).corpus_score(WORDS["zho_Hans"], [WORDS["zho_Hans"]]).score
    assert rows.loc[("bleu", "zho_Hans"), "estimate"] == pytest.approx(own)
    assert any("BLEU counts in different tokens (13a into deu_Latn, zh into zho_Hans)" in note for note in report.notes)
    assert report.verdict().startswith("BLEU counts in different tokens")
    assert "chrF++ 100" in report.verdict()
    assert "BLEU 100" not in report.verdict()


def test_one_tokenizer_has_a_mean_and_one_signature(perfect, monkeypatch):
    report = measure_translation(tiny("llama"), CORPUS, TO[:1], metrics=("bleu",), resamples=20)
    assert "bleu:nrefs:1|case:mixed|eff:no|tok:13a" in str(report.signature)


def test_spbleu_is_sacrebleus_in_one_vocabulary_for_all(vocabulary, perfect):
    names = ("spbleu_flores101", "spbleu_flores200", "spbleu_spm")
    report = measure_translation(tiny("llama"), CORPUS, TO, metrics=names, resamples=20)
    assert "spbleu_flores101:nrefs:1|case:mixed|eff:no|tok:flores101" in str(report.signature)
    assert "spbleu_flores200:nrefs:1|case:mixed|eff:no|tok:flores200" in str(report.signature)
    rows = report.summary().set_index(["metric", "target"])
    assert rows.loc[("spbleu_flores101", "mean"), "estimate"] == pytest.approx(100)
    copied = BLEU(tokenize="flores101", force=True).corpus_score(WORDS["eng_Latn"], [WORDS["deu_Latn"]]).score
    assert rows.loc[("spbleu_flores101", "deu_Latn"), "baseline"] == pytest.approx(copied)


def test_a_study_that_averages_refuses_several_tokenizers():
    assert several_tokens("bleu", ["deu_Latn", "fra_Latn"]) == several_tokens("chrf", ["deu_Latn", "zho_Hans"]) == ""
    with pytest.raises(ValueError, match=r"the mean averages over languages, but BLEU counts in different tokens \(13a into deu"):
        check_one_scale(["exact", "bleu"], ["deu_Latn", "zho_Hans"], "the mean")
    check_tokens(["bleu", "chrf", "exact"], ["deu_Latn", "zho_Hans", "tha_Thai"])


def test_the_signatures_score_is_that_of_the_counts():
    counts = probes.translation.measure.overlap_counts("bleu", WORDS["zho_Hans"], WORDS["zho_Hans"], "zho_Hans")
    assert counts.shape == (3, 2 + 2 * 4)
    assert np.isfinite(counts).all()
