"""Every script of the languages worked on has letters in a PDF too, and what has none is told."""

from __future__ import annotations

import io
import logging
import warnings

import matplotlib
import pytest

from interp.languages import Language
from probes.figures.fonts import with_fonts
from probes.figures.style import blank

BUNDLED = (
    "eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl", "zho_Hans", "jpn_Jpan", "ita_Latn", "por_Latn", "tur_Latn",
    "arb_Arab", "hin_Deva", "swh_Latn", "kor_Hang", "fin_Latn", "tha_Thai",
)  # fmt: skip
OTHERS = ("amh_Ethi", "khm_Khmr", "ben_Beng", "tam_Taml", "tel_Telu", "mya_Mymr", "heb_Hebr", "kat_Geor", "hye_Armn", "ell_Grek",
          "guj_Gujr", "kan_Knda", "mal_Mlym", "pan_Guru", "sin_Sinh", "ory_Orya", "lao_Laoo")  # fmt: skip


def drawn_to_pdf(words: str) -> tuple[str, bytes]:
    """What has no glyph, and the PDF; a warning of matplotlib of a missing glyph is an error."""
    figure, file = blank((6.0, 1.0)), io.BytesIO()
    figure.text(0.01, 0.5, words)
    missing = with_fonts(figure)
    with warnings.catch_warnings(), matplotlib.rc_context({"pdf.fonttype": 42}):
        warnings.filterwarnings("error", message="Glyph .* missing")
        figure.savefig(file, format="pdf")
    return missing, file.getvalue()


@pytest.mark.parametrize("codes", [BUNDLED, OTHERS], ids=["bundled", "others"])
def test_every_language_is_written_in_its_own_letters(codes):
    missing, pdf = drawn_to_pdf(" ".join(Language(code).autonym for code in codes))
    assert missing == ""
    assert b"/Type3" not in pdf, "publishers refuse fonts of bare outlines"


def test_chinese_is_drawn_in_the_weight_of_the_other_letters():
    _, pdf = drawn_to_pdf("中文 English")
    assert b"NotoSansCJK" in pdf
    assert b"Thin" not in pdf


def test_latin_letters_stay_in_the_font_of_the_figure():
    assert b"Noto" not in drawn_to_pdf("Kiswahili, Français, Русский")[1]


def test_what_no_font_has_is_told_once(caplog):
    figure = blank((2.0, 1.0))
    figure.text(0, 0.5, "a \ue123")  # of private use
    figure.text(0, 0.2, "b \ue123")
    with caplog.at_level(logging.WARNING):
        assert with_fonts(figure) == "\ue123"
    assert ["U+E123" in record.message for record in caplog.records] == [True]
