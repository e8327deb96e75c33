"""Figures as a paper wants them: names for codes, no question unless asked for, the languages wanted, small multiples capped."""

from __future__ import annotations

import io

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from matplotlib.text import Text

import interp
import probes
from probes.figures.curves import curves, heatmap
from probes.figures.drawing import Drawing
from probes.figures.dress import dress
from probes.figures.look import arranged, capped, chosen, drawn, named
from probes.lens.figures import language_curves
from probes.tuning.figures import difference_curves
from tests.probes.figures.test_figures import CODES, FIGURES, check_writing, layered, lens

MANY = interp.languages.FLORES200[:30]
SIX = [interp.languages.Language(code).name for code in CODES]


def written(figure) -> list[str]:
    figure.draw_without_rendering()
    return [text.get_text() for text in figure.findobj(Text) if text.get_visible() and text.get_text()]


@pytest.fixture(scope="module")
def report():
    rng = np.random.default_rng(0)
    arrays = {code: rng.normal(size=(4, 12, 8)) for code in ("eng_Latn", *CODES)}
    return probes.measure_alignment(interp.Activations.from_arrays(arrays), metrics=("mexa", "p_at_1"), resamples=20)


def test_no_question_and_no_signature_stand_in_a_plot_unless_wanted(report):
    plain, told = "\n".join(written(report.plot())), " ".join(written(report.plot(title=True, footer=True))).replace("\n", "")
    assert report.question not in plain
    assert "seed:" not in plain
    assert "95 % confidence interval" in plain
    assert report.question in told
    assert str(report.signature) in told
    assert "Mine" in written(report.plot(title="Mine", footer="n = 12"))
    assert "confidence" not in "\n".join(written(report.plot(footer=False)))


@pytest.mark.parametrize("names", [True, False, {"deu_Latn": "Ger."}])
def test_languages_are_named_as_wanted(report, names):
    words = set(written(report.plot(names=names, footer=False)))
    expected = {True: set(SIX), False: set(CODES)}.get(names if isinstance(names, bool) else None, {"Ger.", *CODES[1:]})
    assert expected <= words
    assert not {"German", "deu_Latn"} - expected & words


def test_the_languages_wanted_are_shown_in_their_order_in_every_figure(report):
    for figure in ("curves", "heatmap"):
        words = written(report.plot(figure, languages=["Swahili", "de"], footer=False))
        assert [word for word in words if word in SIX] in (["Swahili", "German"], ["German", "Swahili"])  # a legend is by height
    labels = [label.get_text() for label in report.plot("heatmap", languages=["sw", "de"]).axes[0].get_yticklabels()]
    assert labels == ["Swahili", "German"]


def test_every_figure_has_one_order_of_languages(report):
    labels = [label.get_text() for label in report.plot("heatmap").axes[0].get_yticklabels()]
    assert labels == SIX
    rows = layered(language=CODES)
    mixed = rows.assign(estimate=np.where(rows["language"] == CODES[-1], 9, rows["estimate"]))
    assert [label.get_text() for label in heatmap(mixed).axes[0].get_yticklabels()] == list(CODES)


def test_what_cannot_be_drawn_is_refused(report):
    for wrong, said in (
        ({"figure": "heat"}, "Did you mean heatmap"),
        ({"languages": ["Thai"]}, "expected some of those drawn here"),
        ({"languages": ["Klingonese"]}, "unknown language"),
        ({"size": (3.0, 0.0)}, "width and height in inches"),
    ):
        with pytest.raises(ValueError, match=said):
            report.plot(**wrong)
    assert written(report.plot())  # and the next one is drawn as ever


def test_a_figure_has_the_size_and_the_ground_wanted(report):
    assert report.plot(size=(3.3, 2.5)).get_size_inches().tolist() == [3.3, 2.5]
    dark = report.plot(theme="dark")
    assert sum(dark.get_facecolor()[:3]) < 0.5
    assert all(np.mean(dark_text) > 0.5 for dark_text in letters(dark))


def letters(figure) -> list[tuple[float, ...]]:
    from matplotlib.colors import to_rgb

    figure.draw_without_rendering()
    return [to_rgb(text.get_color()) for text in figure.findobj(Text) if text.get_text().strip() and text.get_visible()]


def test_a_notebook_shows_a_plot_without_a_magic(report):
    assert isinstance(report.plot(), Drawing)
    assert report.plot()._repr_png_().startswith(b"\x89PNG")


def test_a_direction_keeps_its_languages():
    with drawn(True):
        assert named("eng_Latn>swh_Latn") == "English > Swahili"
        assert named("zho_Hans-eng_Latn at layer 3") == "Chinese (Simplified)–English at layer 3"
        assert named("xyz_Latnx and held_out") == "xyz_Latnx and held_out"
    assert named("eng_Latn>swh_Latn") == "eng_Latn>swh_Latn"


def test_a_pair_is_chosen_by_the_language_that_is_not_in_all_of_them():
    with drawn(False, shown=["fr", "de"]):
        assert chosen(["deu_Latn-eng_Latn", "fra_Latn-eng_Latn", "spa_Latn-eng_Latn"]) == ["fra_Latn-eng_Latn", "deu_Latn-eng_Latn"]
        assert chosen(["mean", "deu_Latn", "spa_Latn"]) == ["deu_Latn", "mean"]
        frame = pd.DataFrame({"language": ["deu_Latn", "fra_Latn", "deu_Latn"], "layer": [0, 0, 1]})
        assert arranged(frame, "language")["language"].tolist() == ["fra_Latn", "deu_Latn", "deu_Latn"]


def test_small_multiples_are_capped_and_say_so():
    assert capped(map(str, range(12))) == ([str(k) for k in range(12)], "")
    many = layered(language=MANY)
    for figure in (
        difference_curves(many, "", "", "sig"),
        curves(many, line="language", panel="language"),
        language_curves(lens(MANY, {"probability": ("eng_Latn", *MANY), "entropy": ("",)}), "eng_Latn", {}),
    ):
        assert len([axes for axes in figure.axes if axes.get_title("left")]) == 12
        assert any("12 of 30 panels" in text and "languages=" in text for text in written(figure))


def test_a_small_probability_of_the_pivot_is_seen_beside_a_large_one_of_the_target():
    frame = lens(("deu_Latn",), {"probability": ("eng_Latn", "deu_Latn"), "entropy": ("",)})
    pivot = frame["series"] == "eng_Latn"
    for peak, scale in ((0.018, "function"), (0.5, "linear")):
        ends = {"lower": np.where(pivot, 0, 0.9), "upper": np.where(pivot, peak, 1.0)}
        figure = language_curves(frame.assign(estimate=np.where(pivot, peak, 1.0), **ends), "eng_Latn", {})
        figure.draw_without_rendering()
        axes = figure.axes[0]
        assert axes.get_yscale() == scale
        height = np.diff(axes.transAxes.inverted().transform(axes.transData.transform([(0, 0), (0, peak)]))[:, 1])
        assert height > 0.1


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", FIGURES)
def test_named_and_untitled_figures_have_nothing_cut_or_overwritten(name, monkeypatch):
    with drawn(True):
        words = check_writing(dress(FIGURES[name](), title=False, footer="key"), monkeypatch)
    assert not [word for word in words if "deu_Latn" in word]


def test_colours_that_are_told_apart_stay_so_in_the_dark():
    figure = dress(FIGURES["curves"](), title=True, footer=True, theme="dark")
    colours = [to_hex(line.get_color()) for line in figure.axes[0].get_lines() if line.get_linestyle() == "-"]
    assert len(set(colours)) >= len(CODES)


def test_a_dressed_figure_is_drawn_to_pdf_and_svg_alike():
    for suffix in ("pdf", "svg"):
        file = io.BytesIO()
        dress(FIGURES["grid"](), title=False, footer=False).savefig(file, format=suffix)
        assert file.tell() > 1000
