"""Figures that can be read: no letter outside, no label on another, and a language in one colour wherever it is drawn."""

from __future__ import annotations

from collections.abc import Callable
from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.backend_bases import RendererBase
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from interp.languages import FLORES200
from probes.atlas.figures import atlas_panels, correlation_curves
from probes.figures.curves import curves, heatmap
from probes.figures.shares import line_curves
from probes.figures.style import PALETTE, style, style_indices
from probes.lens.figures import energy_curves, language_curves
from probes.lens.labels_figures import accuracy_dots, label_curves, right_curves
from probes.lens.scripts_figures import script_areas
from probes.lens.tokens_figures import token_grid
from probes.linear.figures import probe_curves, transfer_matrices
from probes.neurons.figures import layer_histogram, silencing_matrices, stability_bars
from probes.patching.figures import concept_curves, head_maps, patch_curves
from probes.steering.figures import alpha_curves, choice_map
from probes.translation.figures import score_dots, score_matrix
from probes.transplant.figures import battery_dots, grid_maps
from probes.tuning.figures import (
    difference_curves,
    difference_dots,
    dose_curve,
    learning_curve,
    paired_slopes,
    row_movement,
    tensor_movement,
)

CODES = ("deu_Latn", "rus_Cyrl", "zho_Hans", "arb_Arab", "hin_Deva", "swh_Latn")
LAYERS = ("embed", *map(str, range(8)))
SIGNED = "alignment|model:bundled@daa8b661|corpus:cldr:names@1ea4f062|n:150|site:residual|pool:end|metrics:mexa+mexa_centred|seed:0"
TITLE = "A title that is longer than any figure is wide, so that it must go on in another line or be cut at the edge"


def rows(more: dict[str, tuple], **columns: object) -> pd.DataFrame:
    """A tidy frame: every combination of the keys, with an estimate, its interval and a baseline; other columns as given."""
    frame = pd.MultiIndex.from_product(more.values(), names=more.keys()).to_frame(index=False)
    rng = np.random.default_rng(0)
    value = rng.uniform(0.2, 1, len(frame))
    return frame.assign(estimate=value, lower=value - 0.1, upper=value + 0.1, baseline=0.02, random_init=0.05, n=100, **columns)


def layered(layers: tuple[str, ...] = LAYERS, **more: tuple) -> pd.DataFrame:
    return rows({**more, "layer": layers})


def lens(targets: tuple[str, ...], measures: dict[str, tuple[str, ...]], layers: tuple[str, ...] = LAYERS) -> pd.DataFrame:
    frames = [layered(layers, target=targets, measure=(name,), series=series) for name, series in measures.items()]
    return pd.concat(frames).assign(role=lambda frame: np.where(frame["series"] == "rus_Cyrl", "source", "other"))


def silenced() -> pd.DataFrame:
    return rows({"mode": ("zero", "mean"), "language": CODES, "text": CODES}).assign(claimed=True)


def stable() -> Figure:
    overlap = pd.DataFrame(np.full((6, 6), 0.3), CODES, CODES)
    return stability_bars(rows({"metric": ("stability",), "language": CODES}), overlap, SIGNED)


def probed() -> Figure:
    frame = layered(kind=("within", "across")).assign(shuffled=0.26, erased=0.25, above_chance=True)
    return probe_curves(frame, "language", "accuracy", "leace", SIGNED)


def tokens() -> pd.DataFrame:
    words = {"Latn": "Vereinigte", "Hani": "阿拉伯", "Arab": "الإمارات", "Thai": "สหรัฐ", "common": '␣"'}
    cells = [
        {"position": place, "layer": layer, "place": 1, "token": word, "predicted": word, "script": script, "probability": 0.5}
        for place, (script, word) in enumerate(words.items())
        for layer in LAYERS
    ]
    return pd.DataFrame(cells)


def scattered() -> pd.DataFrame:
    frame = rows({"layer": ("embed", "3", "7"), "language": CODES, "item": tuple(map(str, range(12)))})
    return frame.assign(
        pca1=frame["estimate"], pca2=frame["n"] * frame["estimate"] ** 2, umap1=frame["lower"], umap2=frame["upper"]
    )


def changed() -> pd.DataFrame:
    frame = rows({"language": CODES}).assign(before=0.5)
    return frame.assign(after=frame["estimate"], lower=frame["lower"] - 0.5, upper=frame["upper"] - 0.5)


def transplanted() -> Figure:
    maps = {name: np.random.default_rng(0).normal(size=(8, 8)) for name in ("transplant", "shuffled")}
    chance = {name: np.abs(values) for name, values in maps.items()}
    return grid_maps(maps, chance, (range(8), range(8)), "eng_Latn>swh_Latn", "change in logit difference", SIGNED)


RUNS = ("untouched", "source_run", "best_cell", "held_out:last_source", "oracle:untouched_or_source", "upper_bound:norm_matched")
FIGURES: dict[str, Callable[[], Figure]] = {
    "curves": lambda: curves(layered(language=CODES), title=TITLE, ylabel="mexa", signature=SIGNED),
    "curves that meet": lambda: curves(layered(language=CODES).assign(estimate=0.9), title=TITLE, signature=SIGNED),
    "panels": lambda: curves(layered(metric=("mexa", "mexa_centred", "p_at_1", "cka_debiased")), line="metric", panel="metric"),
    "many panels": lambda: curves(layered(metric=tuple(f"measure_{k}" for k in range(7))), line="metric", panel="metric"),
    "heatmap": lambda: heatmap(layered(language=CODES), title=TITLE, label="mexa", signature=SIGNED),
    "large heatmap": lambda: heatmap(layered(language=FLORES200[:24]), title=TITLE, label="mexa", signature=SIGNED),
    "atlas": lambda: atlas_panels(scattered(), "An illustration.", SIGNED),
    "correlation": lambda: correlation_curves(
        layered(language=("all",)).assign(partialled=0.4, random_init_partialled=0.06, baseline=0.07), SIGNED
    ),
    "learning": lambda: learning_curve(
        pd.DataFrame({"step": [1, 2, 1, 2], "loss": [3.0, 2, 3.1, 2.2], "part": ["training"] * 2 + ["held out"] * 2}), SIGNED
    ),
    "slopes": lambda: paired_slopes(changed(), TITLE, "exact match", SIGNED),
    "differences": lambda: difference_curves(layered(language=CODES), TITLE, "difference", SIGNED),
    "many differences": lambda: difference_curves(layered(language=FLORES200[:9]), TITLE, "difference", SIGNED),
    "difference dots": lambda: difference_dots(changed(), TITLE, "difference in exact match", SIGNED),
    "rows": lambda: row_movement(
        pd.DataFrame({"token": range(4), "group": ["shared", "shared", "deu_Latn", "unused"], "distance": [0.5, 0.1, 1.0, 0.0]}),
        SIGNED, {0: "the", 2: "der"},
    ),
    "dose": lambda: dose_curve(
        rows({"line": CODES, "dose": (1, 10, 100)}), TITLE, "rows carried", "exact match", {"base": 0.1, "tuned": 0.9}, SIGNED
    ),
    "tensors": lambda: tensor_movement(
        pd.DataFrame({"tensor": [f"model.layers.{k}.mlp.up_proj" for k in range(8)], "part": [f"block {k}" for k in range(8)],
                      "relative": np.linspace(0, 1, 8)}), SIGNED
    ),
    "answers": lambda: accuracy_dots(rows({"language": ("all", *CODES)}), SIGNED),
    "labels": lambda: label_curves(
        layered(language=CODES[:3], measure=("gold", "any", "gold_english", "any_english", "entropy")), "target", SIGNED
    ),
    "right labels": lambda: right_curves(layered(language=("all",), measure=("correct", "share")), SIGNED),
    "lens": lambda: language_curves(
        lens(CODES[:3], {"probability": ("eng_Latn", *CODES[:3]), "entropy": ("",)}), "eng_Latn",
        {"deu_Latn": ("4", "3", "5")}, SIGNED,
    ),
    "wide lens": lambda: language_curves(
        lens(CODES, {"probability": ("eng_Latn", *CODES), "entropy": ("",)}), "eng_Latn", {}, SIGNED
    ),
    "energy": lambda: energy_curves(lens(CODES, dict.fromkeys(("entropy", "divergence", "energy"), ("",))), SIGNED),
    "scripts": lambda: script_areas(layered(target=CODES, series=("Latn", "Hani", "Thai", "common", "bytes")), SIGNED),
    "neurons": lambda: layer_histogram(pd.DataFrame(np.arange(48).reshape(8, 6), LAYERS[1:], CODES), SIGNED),
    "stability": stable,
    "silencing": lambda: silencing_matrices(silenced(), SIGNED),
    "patching": lambda: patch_curves(
        rows({"language": CODES[:3], "direction": ("denoise", "noise"), "anchor": ("span", "last"), "layer": tuple(range(80))},
             claim="carries"), "share of the difference", TITLE, SIGNED,
    ),
    "heads": lambda: head_maps(
        rows({"language": CODES[:2], "direction": ("denoise", "noise"), "anchor": ("span", "last"), "layer": tuple(range(80)),
              "head": tuple(range(32))}, claim="opposes"), "share of the difference", TITLE, SIGNED
    ),
    "concepts": lambda: concept_curves(
        rows({"donor": ("both", "mean", "concept", "language", "other"), "readout": ("A in own", "B in donor's"),
              "layer": tuple(range(8))}), "probability", TITLE, SIGNED
    ),
    "probe": probed,
    "transfer": lambda: transfer_matrices(
        {layer: pd.DataFrame(np.eye(6), CODES, CODES) for layer in LAYERS[:6]}, "language", "accuracy", SIGNED
    ),
    "recall": lambda: transfer_matrices(
        {layer: pd.DataFrame(np.ones((1, 6)), ["all"], CODES) for layer in LAYERS}, "language", "accuracy", SIGNED
    ),
    "steering": lambda: alpha_curves(
        rows({"metric": ("language", "fidelity"), "alpha": (0.0, 1.0, 2.0)}, random=0.05, random_lower=0.0, random_upper=0.1),
        {"language": "texts in the target language", "fidelity": "fidelity (chrF++)"}, 1.0, TITLE, SIGNED,
    ),
    "steering choice": lambda: choice_map(
        rows({"layer": ("embed", *map(str, range(0, 80, 10)), "79"), "alpha": (1.0, 2.0)}, score=0.5, language=1, fidelity=9.0),
        ("embed", *map(str, range(80))), TITLE, SIGNED,
    ),
    "translations": lambda: score_matrix(pd.DataFrame(np.full((6, 6), 0.5), CODES, CODES), TITLE, "share in the script", SIGNED),
    "scores": lambda: score_dots(rows({"language": CODES}), TITLE, "accuracy of the choice", SIGNED),
    "tokens": lambda: token_grid(tokens(), SIGNED),
    "grid": transplanted,
    "battery": lambda: battery_dots(
        rows({"donor": ("eng_Latn",), "language": CODES[:2], "run": RUNS}), "accuracy", SIGNED
    ),
}  # fmt: skip


def written(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, np.ndarray]]:
    """Every text that is drawn, with its corners in points."""
    seen, draw = [], Text.draw

    def noted(text: Text, renderer: RendererBase) -> None:
        draw(text, renderer)
        if text.get_visible() and text.get_text().strip():
            seen.append((text.get_text(), Text.get_window_extent(text, renderer).extents))  # the letters without an arrow

    figure.set_dpi(72)
    canvas = FigureCanvasAgg(figure)
    monkeypatch.setattr(Text, "draw", noted)
    canvas.draw()
    return seen


def check_writing(figure: Figure, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Assert that no text is cut or touches another, and give back all that is written."""
    width, height = 72 * figure.get_size_inches()
    texts = written(figure, monkeypatch)
    outside = [text for text, (left, low, right, high) in texts if left < -1 or low < -1 or right > width + 1 or high > height + 1]
    assert not outside
    over = [
        (one, other)
        for (one, a), (other, b) in combinations(texts, 2)
        if min(a[2], b[2]) - max(a[0], b[0]) > 2 and min(a[3], b[3]) - max(a[1], b[1]) > 2
    ]
    assert not over
    return [text for text, _ in texts]


@pytest.mark.filterwarnings("ignore:Glyph")
@pytest.mark.parametrize("name", FIGURES)
def test_nothing_written_is_cut_or_overwritten(name, monkeypatch):
    check_writing(FIGURES[name](), monkeypatch)


EIGHT = (*CODES, "fra_Latn", "jpn_Jpan")
DEEP: dict[str, Callable[[tuple[str, ...]], Figure]] = {
    "curves": lambda layers: curves(layered(layers, language=EIGHT), title=TITLE, ylabel="mexa", signature=SIGNED),
    "panels": lambda layers: curves(layered(layers, metric=tuple("abcdefgh")), line="metric", panel="metric"),
    "heatmap": lambda layers: heatmap(layered(layers, language=EIGHT), title=TITLE, label="mexa", signature=SIGNED),
    "differences": lambda layers: difference_curves(layered(layers, language=EIGHT), TITLE, "difference", SIGNED),
    "lens": lambda layers: language_curves(
        lens(EIGHT[:1], {"probability": ("eng_Latn", *EIGHT[:3]), "entropy": ("",)}, layers), "eng_Latn",
        {"deu_Latn": ("8", "7", "9")}, SIGNED, {"deu_Latn": [("eng_Latn", 4, 6), ("deu_Latn", 9, len(layers) - 1)]},
    ),
    "wide lens": lambda layers: language_curves(
        lens(EIGHT, {"probability": ("eng_Latn", *EIGHT), "entropy": ("",)}, layers), "eng_Latn", {}, SIGNED
    ),
    "energy": lambda layers: energy_curves(lens(EIGHT, dict.fromkeys(("entropy", "divergence", "energy"), ("",)), layers), SIGNED),
    "scripts": lambda layers: script_areas(layered(layers, target=EIGHT, series=("Latn", "Hani", "common")), SIGNED),
    "labels": lambda layers: label_curves(
        layered(layers, language=EIGHT[:3], measure=("gold", "any", "gold_english", "any_english", "entropy")), "target", SIGNED
    ),
    "lines": lambda layers: line_curves(
        layered(layers, panel=("a", "b", "c"), what=EIGHT), "what", TITLE, "share", SIGNED
    ),
    "recall": lambda layers: transfer_matrices(
        {layer: pd.DataFrame(np.ones((1, 8)), ["all"], EIGHT) for layer in layers}, "language", "accuracy", SIGNED
    ),
}  # fmt: skip


@pytest.mark.parametrize("depth", [24, 32, 80])
@pytest.mark.parametrize("name", DEEP)
def test_deep_models_are_labelled_without_collisions(name, depth, monkeypatch):
    texts = check_writing(DEEP[name](("embed", *map(str, range(depth)))), monkeypatch)
    assert "embed" in texts
    assert sum(text.isdigit() for text in texts) >= 3
    if depth == 24 and name == "curves":
        assert texts[texts.index("embed") + 1] == "0"


def test_eight_languages_differ_in_colour_and_in_marker():
    looks = [style(index) for index in style_indices(EIGHT).values()]
    assert len({look["color"] for look in looks}) == len({look["marker"] for look in looks}) == 8
    figure = curves(layered(language=EIGHT))
    drawn = {
        str(line.get_label()): (line.get_color(), line.get_marker()) for line in figure.axes[0].lines if "_" in line.get_label()
    }
    assert len(set(drawn.values())) == len({marker for _, marker in drawn.values()}) == 8
    assert "#767676" not in {to_hex(colour) for colour, _ in drawn.values()}, "grey is the baseline"


def test_colours_are_told_apart_by_those_who_do_not_see_red_or_green():
    """Machado et al. 2009, severity 1: no two colours come nearer than 10 in CIELAB, where about 2 is just seen."""
    matrices = {
        "protan": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
        "deutan": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    }
    for matrix in matrices.values():
        seen = [lab(np.array(matrix) @ linear(colour)) for colour in PALETTE]
        assert min(np.linalg.norm(one - other) for one, other in combinations(seen, 2)) > 10


def linear(colour: str) -> np.ndarray:
    c = np.array([int(colour[k : k + 2], 16) for k in (1, 3, 5)]) / 255
    return np.where(c <= 0.04045, c / 12.92, ((c + 0.055) / 1.055) ** 2.4)


def lab(rgb: np.ndarray) -> np.ndarray:
    to_xyz = [[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]
    xyz = np.array(to_xyz) @ np.clip(rgb, 0, 1) / [0.9505, 1, 1.089]
    f = np.where(xyz > 0.008856, np.cbrt(xyz), 7.787 * xyz + 16 / 116)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


def colours(figure: Figure) -> dict[str, str]:
    """The colour of the line named after each language in a figure of curves."""
    return {
        str(line.get_label()): to_hex(line.get_color()) for axes in figure.axes for line in axes.lines if "_" in line.get_label()
    }


def test_a_language_keeps_its_colour_in_other_company():
    few, many = (curves(layered(language=codes)) for codes in (("zho_Hans", "kor_Hang"), CODES))
    assert colours(few)["zho_Hans"] == colours(many)["zho_Hans"] == PALETTE[3].lower()


def test_no_two_languages_are_drawn_alike_as_far_as_styles_go():
    for codes in (FLORES200[:8], FLORES200[:32], FLORES200[-32:]):
        indices = style_indices(codes)
        assert list(indices) == list(codes)
        assert len({tuple(style(index).values()) for index in indices.values()}) == len(codes)
        assert len({index % 8 for index in indices.values()}) == 8, "eight colours before dashes"
    assert len(set(style_indices(FLORES200).values())) == len(FLORES200)


@pytest.mark.parametrize(
    ("names", "known"),
    [
        (("swh_Latn>eng_Latn", "deu_Latn>eng_Latn"), ("swh_Latn", "deu_Latn")),
        (("eng_Latn>swh_Latn", "eng_Latn>kor_Hang"), ("swh_Latn", "kor_Hang")),
    ],
)
def test_a_pair_has_the_colour_of_the_language_in_which_pairs_differ(names, known):
    assert list(style_indices(names).values()) == list(style_indices(known).values())


def test_names_that_are_no_languages_take_colours_in_turn():
    assert style_indices(["mexa", "cka", "deu_Latn"]) == {"mexa": 0, "cka": 1, "deu_Latn": 2}
