"""The page in a real browser: it asks nobody, says nothing in the console, sorts, fits a phone and paper, and reads in the dark."""

from __future__ import annotations

import io
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import numpy as np
import pandas as pd
import pytest
from matplotlib.figure import Figure
from PIL import Image

from experiments.pages.render import write_page
from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from probes.report import Report
from tests.experiments.pages.test_page import curves
from tests.support.browser import CHROMIUM, Browser, browser

pytestmark = [
    pytest.mark.skipif(CHROMIUM is None, reason="needs chromium or chrome"),
    pytest.mark.filterwarnings("ignore:Glyph"),
]

TEXTS = {
    "arb_Arab": ("ar", "جمهورية أفريقيا الوسطى"),
    "heb_Hebr": ("he", "הרפובליקה הדומיניקנית"),
    "pes_Arab": ("fa", "پادشاهی متحد بریتانیا"),
    "urd_Arab": ("ur", "متحدہ عرب امارات"),
    "tha_Thai": ("th", "สาธารณรัฐเช็ก"),
    "khm_Khmr": ("km", "សាធារណរដ្ឋឆែក"),
    "mya_Mymr": ("my", "ချက်သမ္မတနိုင်ငံ"),
    "zho_Hans": ("zh-Hans", "阿拉伯联合酋长国"),
}
RIGHT_TO_LEFT = {"ar", "he", "fa", "ur"}

SHADES = """(() => {
  const shades = colour => colour.match(/[\\d.]+/g).slice(0, 3).map(Number);
  const light = colour => {
    const [r, g, b] = shades(colour).map(c => (c /= 255) <= .04045 ? c / 12.92 : ((c + .055) / 1.055) ** 2.4);
    return .2126 * r + .7152 * g + .0722 * b;
  };
  const paper = light(getComputedStyle(document.body).backgroundColor);
  const all = [...document.querySelectorAll("h1,h2,h3,h4,p,li,td,th button,code,summary,figcaption,a,small")];
  const contrast = one => {
    const ink = light(getComputedStyle(one).color);
    return (Math.max(ink, paper) + .05) / (Math.min(ink, paper) + .05);
  };
  return [paper, Math.min(...all.map(contrast)), all.length];
})()"""


class Written(Report):
    """A report that kept what was read and written in languages of many scripts, wide enough to overflow a phone."""

    question: ClassVar[str] = "How well does the model translate?"

    def summary(self) -> pd.DataFrame:
        columns = {f"a_rather_long_name_{place}": np.linspace(0, 1, len(self.table)) for place in range(12)}
        found = self.table[["source", "target"]].assign(estimate=0.5, lower=0.25, upper=0.75, n=1, baseline=[np.nan, *range(7)])
        return found.assign(**columns)

    def verdict(self) -> str:
        return "Exact match 0.500 [0.250, 0.750] (baseline 0.000) in 8 directions."

    def figures(self) -> dict[str, Figure]:
        figure = Figure((9, 3), layout="constrained")
        figure.subplots().plot([0, 1], [1, 0])
        return {"line": figure}


@pytest.fixture(scope="module")
def pages(tmp_path_factory) -> dict[str, Path]:
    """One run alone; and three on one page, two of them of one question."""
    root = tmp_path_factory.mktemp("runs")
    rows = [
        {"source": "eng_Latn", "target": code, "item": f"i{place}", "text": "a state", "reference": text, "hypothesis": text,
         "exact": float(place % 2), "exact_baseline": 0.0}
        for place, (code, (_, text)) in enumerate(TEXTS.items())
    ]  # fmt: skip
    signature = Signature("translate", ModelIdentity("m", "ab" * 32, 8, 64, "float32"), CorpusIdentity("c", "cd" * 32, 8))
    Written(pd.DataFrame(rows), signature, notes=("WARNING: lexical.",)).save(root / "written")
    for name in ("before", "after"):
        curves(name).save(root / name)
    runs = [root / name for name in ("before", "after", "written")]
    return {"one": write_page(runs[2:], root / "one.html"), "three": write_page(runs, root / "three.html")}


@pytest.fixture(scope="module")
def chromium(tmp_path_factory) -> Iterator[Browser]:
    with browser(tmp_path_factory.mktemp("browser")) as found:
        yield found


@pytest.mark.parametrize("name", ["one", "three"])
def test_nothing_is_asked_of_the_network_and_nothing_is_complained_of(chromium, pages, name):
    chromium.open(pages[name])
    chromium.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    chromium.ask("document.querySelector('th button').click()")
    assert chromium.fetched == [pages[name].as_uri()]
    assert chromium.complaints == []


def test_what_would_leave_the_page_is_refused_and_seen_by_this_test(chromium, pages, tmp_path):
    """The control of the test above: the same page with an image and two scripts put in is complained of and asked for."""
    there = "http://127.0.0.1:9"
    foreign = f'<img src="{there}/i.png"><script>document.title = "run"</script><script src="{there}/s.js"></script>'
    path = tmp_path / "page.html"
    path.write_text(pages["one"].read_text(encoding="utf-8").replace("</main>", f"{foreign}</main>"), encoding="utf-8")
    chromium.open(path)
    assert chromium.ask("document.title") == Written.question
    assert len([each for each in chromium.complaints if "Content Security Policy" in each]) == 3
    assert f"{there}/i.png" in chromium.fetched


def column(chromium: Browser, name: str) -> list[str]:
    """The cells of one column of the first summary, as they stand."""
    place = f"[...document.querySelectorAll('.numbers table th')].findIndex(one => one.textContent === '{name}')"
    return chromium.ask(
        f"(() => {{ const at = {place}; const rows = document.querySelector('.numbers tbody').rows;"
        "return [...rows].map(row => row.cells[at].textContent) })()"
    )


def test_a_click_or_a_key_sorts_up_then_down_and_leaves_gaps_last(chromium, pages):
    chromium.open(pages["one"])
    heads = "[...document.querySelectorAll('.numbers table:first-of-type th')]"
    chromium.ask(f"{heads}.find(one => one.textContent === 'target').firstChild.click()")
    assert column(chromium, "target") == sorted(TEXTS)
    baseline = f"{heads}.find(one => one.textContent === 'baseline')"
    chromium.ask(f"{baseline}.firstChild.focus()")
    assert chromium.ask("getComputedStyle(document.activeElement).outlineStyle") != "none"
    for expected, shown in (("ascending", "0123456"), ("descending", "6543210")):
        chromium.press("Enter", 13, "\r")
        assert chromium.ask(f"{baseline}.getAttribute('aria-sort')") == expected
        assert column(chromium, "baseline") == [*(f"{digit}.000" for digit in shown), "–"]
    assert chromium.ask("document.querySelectorAll('[aria-sort]').length") == 1


@pytest.mark.parametrize("name", ["one", "three"])
def test_a_phone_shows_the_page_without_scrolling_sideways(chromium, pages, name):
    chromium.open(pages[name], width=375, height=800)
    chromium.ask("document.querySelectorAll('details').forEach(one => one.open = true)")
    assert chromium.ask("[innerWidth, document.documentElement.scrollWidth]") == [375, 375]
    wide = chromium.ask("[...document.querySelectorAll('.wide')].map(one => [one.scrollWidth, one.clientWidth, one.tabIndex])")
    assert any(inner > outer for inner, outer, _ in wide), "a table too wide for a phone scrolls in its own box"
    assert all(outer <= 375 and reached == 0 for _, outer, reached in wide)


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_every_text_stands_out_from_the_paper(chromium, pages, scheme):
    chromium.look(scheme)
    chromium.open(pages["three"])
    paper, contrast, texts = chromium.ask(SHADES)
    assert texts > 100
    assert contrast >= 4.5, "WCAG AA"
    assert paper < 0.05 if scheme == "dark" else paper > 0.8
    seen = np.asarray(Image.open(io.BytesIO(chromium.photograph())).convert("L"))
    assert seen.mean() < 128 if scheme == "dark" else seen.mean() > 200
    assert len(np.unique(seen)) > 50, "a blank page has one shade"


def test_a_figure_keeps_white_paper_in_the_dark(chromium, pages):
    chromium.look("dark")
    chromium.open(pages["one"])
    corners = "(({left, top, right, bottom}) => [left, top, right, bottom])"
    box = chromium.ask(f"{corners}(document.querySelector('svg').getBoundingClientRect())")
    seen = Image.open(io.BytesIO(chromium.photograph())).convert("L").crop(tuple(map(int, box)))
    assert np.median(np.asarray(seen)) > 200


def test_every_script_is_marked_with_its_language_and_runs_its_own_way(chromium, pages):
    chromium.open(pages["one"])
    found = chromium.ask(
        "[...document.querySelectorAll('td.text[lang]')].map(one => [one.lang, one.textContent, getComputedStyle(one).direction])"
    )
    assert {(tag, text) for tag, text, _ in found if tag != "en"} == set(TEXTS.values())
    assert {tag for tag, _, direction in found if direction == "rtl"} == RIGHT_TO_LEFT
    assert chromium.ask("[...document.querySelectorAll('td[title=Urdu]')].length") > 0, "a code says its language"


def test_runs_of_one_question_stand_in_columns_with_like_beside_like(chromium, pages):
    boxes = (
        "[...document.querySelectorAll('.columns > article')].map(one => [...one.querySelectorAll('figure, .numbers, .made')]"
        ".map(part => (({x, y}) => [Math.round(x), Math.round(y)])(part.getBoundingClientRect())))"
    )
    chromium.open(pages["three"], width=1440)
    left, right = chromium.ask(boxes)
    assert [y for _, y in left] == [y for _, y in right]
    assert len(left) == 4
    assert max(x for x, _ in left) < min(x for x, _ in right)
    chromium.open(pages["three"], width=375)
    above, below = chromium.ask(boxes)
    assert {x for x, _ in above} == {x for x, _ in below}
    assert above[-1][1] < below[0][1]


def test_paper_holds_every_run_whole(chromium, pages):
    a4 = round((210 - 2 * 12) / 25.4 * 96)
    chromium.look("dark", media="print")
    chromium.open(pages["three"], width=a4)
    boxes = "[...document.querySelectorAll('.wide, .card, pre')]"
    cut = chromium.ask(f"{boxes}.filter(one => one.scrollWidth > one.clientWidth + 1).length")
    assert cut == 0, "nothing reaches over the edge of the paper"
    assert chromium.ask("document.documentElement.scrollWidth") <= a4
    assert chromium.ask("getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert chromium.ask("[...document.querySelectorAll('.copy button')].every(one => getComputedStyle(one).display === 'none')")
    chromium.look("light")
    printed = chromium.print()
    assert printed.startswith(b"%PDF")
    assert 2 <= printed.count(b"/Type /Page\n") <= 6, "three runs, not a page for each part of them"


def test_many_figures_wait_until_asked_for_and_paper_says_where_they_are(chromium, tmp_path):
    class Many(Written):
        def figures(self) -> dict[str, Figure]:
            return {f"line{place}": super(Many, self).figures()["line"] for place in range(7)}

    table = pd.DataFrame({"source": ["a"] * 8, "target": ["b"] * 8})
    signature = Signature("many", ModelIdentity("m", "ab" * 32, 8, 64, "float32"), CorpusIdentity("c", "cd" * 32, 8))
    chromium.look("light")
    chromium.open(write_page([Many(table, signature).save(tmp_path / "many")], tmp_path / "page.html"))
    seen = "[...document.querySelectorAll('svg')].filter(one => one.checkVisibility()).length"
    assert chromium.ask(seen) == 4
    assert chromium.ask("document.querySelector('.more summary').textContent") == "3 more figures"
    said = "[...document.querySelectorAll('.paper')].filter(one => one.checkVisibility()).map(one => one.textContent)"
    assert chromium.ask(said) == []
    chromium.look("light", media="print")
    assert chromium.ask(said) == ["3 more figures are on the page itself and in the run folder."]
    assert chromium.ask(seen) == 4
    chromium.look("light")


def test_rows_are_picked_by_language_and_by_layer(chromium, tmp_path):
    rows = [{"language": code, "layer": str(k), "estimate": k / 10} for code in ("deu_Latn", "fra_Latn") for k in range(20)]
    table = pd.DataFrame(rows).assign(lower=0.0, upper=1.0, n=9, baseline=0.1)
    signature = Signature("many", ModelIdentity("m", "ab" * 32, 8, 64, "float32"), CorpusIdentity("c", "cd" * 32, 9))

    class Long(Written):
        def summary(self) -> pd.DataFrame:
            return self.table

    def pick(control: str, value: str) -> None:
        chosen = f"const one = document.querySelector('.pick {control}'); one.value = '{value}'"
        chromium.ask(f"(() => {{ {chosen}; one.dispatchEvent(new Event('input')) }})()")

    chromium.open(write_page([Long(table, signature).save(tmp_path / "long")], tmp_path / "page.html"))
    chromium.ask("document.querySelectorAll('details').forEach(one => { one.open = true })")
    shown = "[...document.querySelectorAll('details tbody tr')].filter(one => !one.hidden)"
    assert chromium.ask(f"{shown}.length") == 40
    pick("select", "fra_Latn")
    assert chromium.ask(f"{shown}.length") == 20
    pick("input", "3")
    assert chromium.ask(f"{shown}.map(one => one.textContent.includes('fra_Latn'))") == [True]
    assert chromium.ask("document.querySelector('.pick output').value") == "3"


def test_the_command_can_be_copied(chromium, pages, tmp_path):
    """A run that a command made shows it beside a button; the button copies or, where it may not, selects."""
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "config.yaml").write_text("command: align\nlimit: 7\n", encoding="utf-8")
    curves("bundled").save(folder)
    chromium.open(write_page([folder], tmp_path / "page.html"))
    said = "interp align --limit 7 --output runs/run"
    assert chromium.ask("document.querySelector('.copy pre').textContent") == said
    chromium.ask("document.querySelector('.copy button').click()")
    label = "new Promise(done => setTimeout(() => done(document.querySelector('.copy button').textContent), 200))"
    assert chromium.ask(label) in ("Copied", "Selected")
    assert chromium.ask("navigator.clipboard.readText().catch(() => String(getSelection()))") == said
