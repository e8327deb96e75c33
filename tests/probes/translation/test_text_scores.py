"""Scores of written answers agree with sacreBLEU and with what a reader of the language would say."""

import numpy as np
import pytest
from sacrebleu.metrics import BLEU, CHRF

from probes.translation.text_scores import (
    contains,
    exact_match,
    f1,
    in_script,
    item_scores,
    overlap_counts,
    overlap_score,
)

SAID = ["the cat sat on the mat", "a dog", "", "completely different words here"]
WANTED = ["the cat is on the mat", "a dog", "nothing", "other sentence with no overlap"]


def test_exact_match_takes_any_accepted_answer():
    assert exact_match("Paris.", ["paris", "Paname"]) == 1
    assert exact_match("in Paris", ["Paris"]) == 0


def test_containment_is_of_whole_units():
    assert contains("It is the Euro.", ["euro"], "eng_Latn")
    assert not contains("It is European", ["euro"], "eng_Latn")
    assert contains("答案是欧元。", ["欧元"], "zho_Hans")
    assert not contains("anything", ["!"], "eng_Latn")
    assert contains("It was in PARIS.", ["Lyon", "Paris"])
    assert contains("It is European", ["euro"])
    assert not contains("It was", ["Paris"])


def test_the_published_containment_is_of_characters():
    assert contains("서울에서", ["서울"])
    assert not contains("서울에서", ["서울"], "kor_Hang")
    assert contains("في باريس والقاهرة", ["القاهرة"])
    assert contains("18", ["8"])
    assert not contains("anything", [""])


def test_f1_counts_shared_units_and_takes_the_best_reference():
    assert f1("the red cat", ["red cat", "dog"], "eng_Latn") == pytest.approx(2 * 2 / 5)
    assert f1("欧元区", ["欧元"], "zho_Hans") == pytest.approx(4 / 5)
    assert f1("", ["x"], "eng_Latn") == 0


def test_script_is_the_majority_of_letters():
    assert in_script("Привет Bob!", "rus_Cyrl") == 1
    assert in_script("猫です", "jpn_Jpan") == 1
    assert in_script("猫", "jpn_Jpan") == 1
    assert in_script("hello", "rus_Cyrl") == 0
    assert in_script("123 !", "eng_Latn") == 0


@pytest.mark.parametrize(("name", "metric"), [("chrf", CHRF(word_order=2)), ("bleu", BLEU(force=True))])
def test_the_score_of_all_items_is_sacrebleus_corpus_score(name, metric):
    counts = overlap_counts(name, SAID, WANTED, "eng_Latn")
    assert overlap_score(name, counts, np.ones((1, 4)))[0] == pytest.approx(metric.corpus_score(SAID, [WANTED]).score)
    twice = overlap_score(name, counts, np.array([[2.0, 0, 1, 1]]))[0]
    rows = [0, 0, 2, 3]
    again = metric.corpus_score([SAID[row] for row in rows], [[WANTED[row] for row in rows]]).score
    assert twice == pytest.approx(again)


def test_item_scores_are_sentence_scores():
    chrf, bleu = (item_scores(name, overlap_counts(name, SAID, WANTED, "eng_Latn")) for name in ("chrf", "bleu"))
    pairs = list(zip(SAID, WANTED, strict=True))
    assert chrf == pytest.approx([CHRF(word_order=2).sentence_score(said, [wanted]).score for said, wanted in pairs])
    assert bleu == pytest.approx([BLEU(effective_order=True).sentence_score(said, [wanted]).score for said, wanted in pairs])


def test_unspaced_scripts_are_scored_by_characters():
    counts = overlap_counts("bleu", ["今天天气很好"], ["今天天气不好"], "zho_Hans")
    assert item_scores("bleu", counts)[0] > 30
