"""The released scripts' values, worked out by hand from their rules."""

import pytest

from probes.translation.published_answers import check_published, published_score


@pytest.mark.parametrize(
    ("said", "gold", "code", "value"),
    [
        ("the red cat", "red cat", "eng_Latn", 1.0),  # articles go
        ("eine rote Katze", "die Katze", "deu_Latn", 2 / 3),
        ("los gatos rojos", "gatos", "spa_Latn", 2 / 3),
        ("những con mèo", "con mèo", "vie_Latn", 1.0),
        ("الكتاب", "كتاب", "arb_Arab", 1.0),
        ("قال", "ق", "arb_Arab", 1.0),  # inside a word, too
        ("1954年", "1945年", "zho_Hans", 0.5),
        ("iPhone 12 手机", "iPhone 手机", "zho_Hans", 6 / 7),  # iphone 12 手 机 against iphone 手 机
        ("ガス会社", "ガス", "zho_Hans", 0.5),  # ガス 会 社: kana are one word
        ("U.S.A.", "USA", "eng_Latn", 1.0),  # punctuation is deleted
        ("3.14", "314", "eng_Latn", 1.0),
        ("$5", "5", "eng_Latn", 1.0),
        ("€5", "5", "eng_Latn", 0.0),
        ("१८", "18", "hin_Deva", 0.0),
        ("", "", "eng_Latn", 0.0),
    ],
)
def test_mlqa(said, gold, code, value):
    assert published_score("mlqa_f1", said, ["nothing of it", gold], code) == pytest.approx(value)
    assert published_score("mlqa_exact", said, [gold], code) == (value == 1 or said == gold)


@pytest.mark.parametrize(
    ("said", "gold", "code", "value"),
    [
        ("the red cat", "red cat", "eng_Latn", 1.0),
        ("a casa", "casa", "ron_Latn", 1.0),  # an English article, in Romanian
        ("die Katze", "Katze", "deu_Latn", 2 / 3),
        ("1954年", "1945年", "zho_Hans", 0.0),
        ("1954年。", "1954年", "zho_Hans", 0.0),  # only the punctuation of ASCII goes
        ("ปี 2019", "ปี 2018", "tha_Thai", 0.5),
    ],
)
def test_squad_as_xquad_is_scored(said, gold, code, value):
    assert published_score("squad_f1", said, [gold], code) == pytest.approx(value)
    assert published_score("squad_exact", said, [gold], code) == (value == 1)


def test_mlqas_script_knows_seven_languages():
    with pytest.raises(ValueError, match=r"metric 'mlqa_f1': got language tha_Thai.*Take squad_f1, as XQuAD does, or f1"):
        check_published("mlqa_f1", "tha_Thai")
    with pytest.raises(ValueError, match="got language kor_Hang"):
        published_score("mlqa_exact", "x", ["x"], "kor_Hang")
    check_published("squad_f1", "tha_Thai")
