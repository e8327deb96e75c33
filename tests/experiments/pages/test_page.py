"""The page is safe to open and says what the runs say."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure

from experiments.pages.examples import examples, written_in
from experiments.pages.inline_svg import inline_svg
from experiments.pages.render import differences, write_page
from experiments.pages.words import glossary
from experiments.runs.finished import cell, read_finished
from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.report import Report

pytestmark = pytest.mark.filterwarnings("ignore:Glyph")


class Curves(Report):
    """A small report with every awkward thing in it: markup, other scripts, a clipped figure and an image."""

    question: ClassVar[str] = "At which layers do languages share a space?"

    def summary(self) -> pd.DataFrame:
        return self.table

    def verdict(self) -> str:
        return "eng_Latn and arb_Arab share most at layer 3 (0.62, 95% interval 0.55 to 0.69; shuffled 0.02) on «<b>سلام</b>»."

    def figures(self) -> dict[str, Figure]:
        drawn = {}
        for name in ("curves", "map"):
            figure = Figure(figsize=(7, 3.6), layout="constrained")
            axes = figure.subplots()
            if name == "curves":
                for language, rows in self.table.groupby("language"):
                    axes.plot(rows["layer"], rows["estimate"], label=language)
                    axes.fill_between(rows["layer"], rows["lower"], rows["upper"], alpha=0.2)
                axes.legend()
                axes.set_title("<script>alert(1)</script> 中文 ไทย العربية")
            else:
                axes.imshow(np.arange(12).reshape(3, 4))
            drawn[name] = figure
        return drawn


def curves(model: str, kind: type[Curves] = Curves) -> Curves:
    """A report of 36 rows over four languages and nine layers."""
    rng = np.random.default_rng(0)
    rows = [
        {"layer": layer, "language": language, "metric": "mexa", "estimate": 0.1 + i / 20, "lower": i / 20, "upper": 0.2 + i / 20,
         "n": 120, "baseline": rng.uniform(0, 0.03)}
        for language in ("arb_Arab", "zho_Hans", "deu_Latn", "<script>alert('cell')</script>")
        for i, layer in enumerate(("embed", *map(str, range(8))))
    ]  # fmt: skip
    signature = Signature("mexa", ModelIdentity(model, "ab" * 32, 8, 64, "float32"), CorpusIdentity("cldr:names", "cd" * 32, 120))
    notes = ("12 of 120 sentences stand in the same words in both languages.", "Bootstrap over <i>documents</i>.")
    return kind(pd.DataFrame(rows), signature, settings={"seed": 0}, notes=notes)


@pytest.fixture(scope="module")
def runs(tmp_path_factory) -> tuple[Path, Path]:
    root = tmp_path_factory.mktemp("runs")
    return curves("bundled").save(root / "before"), curves("tuned").save(root / "after")


@pytest.fixture(scope="module")
def page(runs) -> str:
    return write_page(runs, runs[0].parent / "page.html").read_text(encoding="utf-8")


class Elements(HTMLParser):
    """Every element of a page with its attributes, as a browser would build them."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.found: list[tuple[str, dict[str, str | None]]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.found.append((tag, dict(attrs)))


def test_markup_in_a_run_is_shown_and_never_run(page):
    elements = Elements(page).found
    assert [tag for tag, _ in elements].count("script") == 1
    assert not any(tag in ("b", "i") and "سلام" in str(attrs) for tag, attrs in elements)
    assert "&lt;script&gt;alert(&#39;cell&#39;)&lt;/script&gt;" in page
    assert "&lt;b&gt;سلام&lt;/b&gt;" in page
    assert "&lt;script&gt;alert(1)&lt;/script&gt; 中文" in page, "the figure's own text stays text"
    assert not any(name.startswith("on") for _, attrs in elements for name in attrs)


def test_the_policy_allows_this_script_alone(page):
    script = page[page.index("<script>") + 8 : page.rindex("</script>")]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"script-src 'sha256-{digest}'" in page
    assert "default-src 'none'" in page


def test_nothing_is_fetched(page):
    for tag, attributes in Elements(page).found:
        for name in ("src", "href", "action", "xlink:href"):
            address = attributes.get(name) or "#"
            linked = tag == "a" and address.startswith(("before/", "after/"))  # to the files of the runs, if one clicks
            assert linked or address.startswith(("#", "data:image/")), attributes


def test_every_file_of_a_run_is_linked_and_there(runs, page):
    linked = {attributes["href"] for tag, attributes in Elements(page).found if tag == "a"}
    files = {f"{folder.name}/{path.name}" for folder in runs for path in folder.iterdir() if path.suffix != ".svg"}
    assert files <= linked
    assert all((runs[0].parent / address).is_file() for address in linked if not address.startswith("#"))


def test_a_page_begins_with_what_was_asked_of_which_model(page):
    start = re.search(r'<dl class="start">(.*?)</dl>', page, re.DOTALL)[1]
    assert start.count("<div>") <= 5
    assert "bundled (8 layers, d_model 64, float32); tuned (8 layers" in start
    assert "interp/bundled/README.md" in start
    assert "cldr:names" in start


def test_a_term_has_its_meaning_on_hover_and_below(tmp_path):
    class Told(Curves):
        def verdict(self) -> str:
            return "Above shuffled pairs by MEXA and mexa, with a donor, unlike <b>cka_debiased</b>."

    page = write_page([curves("m", Told).save(tmp_path / "run")], tmp_path / "page.html").read_text(encoding="utf-8")
    terms = [attributes for tag, attributes in Elements(page).found if attributes.get("class") == "term"]
    assert [term["href"] for term in terms] == ["#word-shuffled-control", "#word-mexa", "#word-donor", "#word-cka-debiased"]
    assert all(term["title"] in glossary().values() for term in terms)
    assert {f'id="{term["href"][1:]}"' in page for term in terms} == {True}
    assert "&lt;b&gt;" in page


def test_the_glossary_of_the_page_is_that_of_the_documents():
    root = Path(__file__).parents[3]
    ours, kept = root / "docs" / "glossary.md", root / "experiments" / "pages" / "glossary.md"
    assert kept.read_bytes() == ours.read_bytes(), f"cp {ours} {kept}"
    assert len(glossary()) > 40
    assert not [meaning for meaning in glossary().values() if len(meaning) < 20]


def test_no_two_figures_share_an_id(page):
    ids = [attributes["id"] for _, attributes in Elements(page).found if "id" in attributes]
    assert len(ids) > 20
    assert len(ids) == len(set(ids))
    used = re.findall(r"url\(#([^)]+)\)", page) + re.findall(r'href="#([^"]+)"', page)
    assert used
    assert set(used) <= set(ids)


def test_a_hostile_figure_loses_what_acts_and_keeps_what_draws(tmp_path):
    path = tmp_path / "figure.svg"
    path.write_text(
        """<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink"
        width="9pt" viewBox="0 0 9 9" onload="x()">
        <script>x()</script><style>@import url(http://a.example)</style><foreignObject><b>x</b></foreignObject>
        <a xlink:href="javascript:x()"><rect/></a><set attributeName="href" to="javascript:x()"/>
        <image xlink:href="http://a.example/x.png"/><image xlink:href="data:image/svg+xml,x"/>
        <clipPath id="c"><rect width="3"/></clipPath><path d="M0 0" clip-path="url(#c)" style="fill: url(http://a.example)"/>
        <use xlink:href="#c"/><text>&lt;b&gt; ไทย</text></svg>""",
        encoding="utf-8",
    )
    svg = inline_svg(path, "r0-", 'a "label"')
    elements = Elements(svg).found
    assert [tag for tag, _ in elements] == ["svg", "image", "image", "clippath", "rect", "path", "use", "text"]
    assert "example" not in svg
    assert "javascript" not in svg
    assert dict(elements)["path"] == {"d": "M0 0", "clip-path": "url(#r0-c)"}
    assert dict(elements)["use"] == {"href": "#r0-c"}
    assert dict(elements)["svg"] == {"viewbox": "0 0 9 9", "role": "img", "aria-label": 'a "label"', "style": "--points: 9"}
    assert "&lt;b&gt; ไทย" in svg


def test_a_broken_figure_is_named(tmp_path):
    (tmp_path / "figure.svg").write_text("<svg")
    with pytest.raises(ValueError, match=r"figure\.svg is not readable as SVG"):
        inline_svg(tmp_path / "figure.svg", "", "")
    (tmp_path / "figure.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 x 9"/>')
    with pytest.raises(ValueError, match=r"figure\.svg has no viewBox"):
        inline_svg(tmp_path / "figure.svg", "", "")


def test_runs_of_one_question_say_in_what_they_differ(runs):
    first, second = map(read_finished, runs)
    assert differences([first, second]) == {"model": ["bundled@abababab", "tuned@abababab"]}
    assert differences([first, first]) == {}


def test_runs_without_a_figure_in_common_stand_below_each_other(runs, tmp_path):
    class Named(Curves):
        def figures(self) -> dict[str, Figure]:
            return {f"other-{name}": figure for name, figure in super().figures().items()}

    other = curves("bundled", Named).save(tmp_path / "other")
    page = write_page([runs[0], other], tmp_path / "page.html").read_text(encoding="utf-8")
    assert 'class="columns"' not in page
    assert page.count("<figure>") == 4
    assert page.count("<div></div>") == 0, "no place is kept for a figure that is not there"


def test_runs_of_one_question_stand_together_in_whatever_order_they_come(runs, tmp_path):
    class Other(Curves):
        question = "Which language does the model think in?"

    between = curves("bundled", Other).save(tmp_path / "between")
    page = write_page([runs[0], between, runs[1]], tmp_path / "page.html").read_text(encoding="utf-8")
    places = [page.index(f'<article id="run{k}"') for k in range(3)]
    assert places[0] < places[2] < places[1]
    assert page.count('class="columns"') == 1
    assert [page.count(f'href="#run{k}"') for k in range(3)] == [1, 1, 1]


def test_a_long_summary_is_cut_to_the_highest_layer_of_each(runs):
    rows, shown = read_finished(runs[0]).brief()
    assert list(rows["layer"]) == ["7"] * 4
    assert list(rows) == ["layer", "language", "estimate", "lower", "upper", "n", "baseline"], "one metric alone needs no name"
    assert shown == "Shown: best layer per row group. All 36 rows: summary.csv"


def test_the_best_layer_of_a_rank_is_its_lowest(runs):
    finished = read_finished(runs[0])
    metric = pd.unique(finished.summary["metric"])[0]
    layers = {name: rows.set_index("layer")["estimate"] for name, rows in finished.summary.groupby("language")}
    for named in ("rank", "held-out loss", "entropy"):
        rows, shown = replace(finished, summary=finished.summary.replace({metric: named})).brief()
        assert {row.language: row.layer for row in rows.itertuples()} == {name: curve.idxmin() for name, curve in layers.items()}
        assert f"(lowest {named})" in shown


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0.12345, "0.123"), (-0.5, "-0.500"), (-1e-9, "0.000"), (123456.0, "1.23e+05"), (120, "120"), (float("nan"), "–")],
)
def test_a_cell_shows_three_digits(value, shown):
    assert cell(value) == shown


def test_no_p_is_shown_as_nothing():
    assert cell(0.0001, "p_holm") == "<0.001"
    assert cell(0.0001, "estimate") == "0.000"
    assert cell(0.02, "p") == "0.020"


def test_an_unfinished_run_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"holds no finished run"):
        write_page([tmp_path], tmp_path / "page.html")


def test_a_long_summary_is_cut_and_the_rest_counted(tmp_path):
    """Layers times languages times metrics can be thousands of rows: the page holds 500 and says so."""
    report = curves("bundled")
    folder = replace(report, table=pd.concat([report.table] * 20, ignore_index=True)).save(tmp_path / "long")
    page = write_page([folder], tmp_path / "page.html").read_text(encoding="utf-8")
    assert "The first 500 of 720 rows; all in summary.csv" in page
    assert page.count("<tr>") == 1 + 4 + 1 + 500, "two heads, the highest layer of four languages, and the rows"
    assert "All 36 rows" in write_page([report.save(tmp_path / "short")], tmp_path / "page.html").read_text(encoding="utf-8")


def test_examples_show_another_item_in_every_language_and_count_the_rest(tmp_path):
    table = pd.DataFrame(
        [
            {"source": "eng_Latn", "target": code, "item": f"i{place}", "text": "a", "hypothesis": f"{code} {place}",
             "chrf": 0.5, "chrf_baseline": 0.0}
            for code in ("deu_Latn", "jpn_Jpan", "arb_Arab") for place in range(5)
        ]
    )  # fmt: skip
    table.to_parquet(tmp_path / "table.parquet")
    shown, rest = examples(tmp_path, rows=3)
    assert list(shown["hypothesis"]) == ["deu_Latn 0", "jpn_Jpan 1", "arb_Arab 2"]
    assert "chrf" in shown
    assert rest.startswith("3 of 15 rows, ")
    assert len(examples(tmp_path, rows=12)[0]) == 12
    table[["source", "item", "chrf"]].to_parquet(tmp_path / "table.parquet")
    assert examples(tmp_path)[0].empty


@pytest.mark.parametrize(
    ("name", "row", "tag"),
    [
        ("hypothesis", {"source": "eng_Latn", "target": "zho_Hans"}, "zh-Hans"),
        ("text", {"source": "urd_Arab", "target": "eng_Latn"}, "ur"),
        ("question", {"language": "mya_Mymr"}, "my"),
        ("text", {"language": 0.5}, ""),
        ("hypothesis", {"target": 'x"><b'}, ""),
        ("item", {"source": "eng_Latn"}, ""),
    ],
)
def test_a_text_is_marked_with_the_language_its_row_names(name, row, tag):
    assert written_in(name, row) == tag
