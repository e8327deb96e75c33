"""Text from anywhere is shown in a page, on a terminal and in a spreadsheet, and never run."""

from __future__ import annotations

import csv
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import experiments.__main__ as cli
from experiments import align
from experiments.pages.inline_svg import inline_svg
from experiments.pages.render import write_page
from experiments.runs.terminal import printable
from probes.spreadsheet import read_spreadsheet, write_spreadsheet
from tests.experiments.pages.test_page import Elements, curves
from tests.support.browser import CHROMIUM, browser
from tests.support.hostile import Small, resealed
from tests.support.mutate import no_longer_than
from tests.support.mutate_formats import HOSTILE

SVG = '<svg xmlns="http://www.w3.org/2000/svg" xmlns:xlink="http://www.w3.org/1999/xlink" viewBox="0 0 9 9"{}>{}</svg>'


@pytest.fixture
def run(tmp_path) -> Path:
    return curves("m", Small).save(tmp_path / "run")


@pytest.fixture
def hostile_page(run) -> Path:
    """A page of a run that says something hostile wherever it can say anything."""
    frame = pd.read_csv(run / "summary.csv").assign(language=HOSTILE, **{HOSTILE: HOSTILE})
    write_spreadsheet(frame, run / "summary.csv")
    (run / "figure.svg").write_text(SVG.format(
        " onload='alert(1)' class='verdict'",
        "<script>alert(1)</script><style>@import 'http://a.example'</style><text onclick='alert(1)'>]]&gt;&lt;script&gt;</text>"
        "<foreignObject><iframe xmlns='http://www.w3.org/1999/xhtml' src='http://a.example'/></foreignObject>"
        "<desc><image src='http://a.example/x'/></desc><title><rect/></title><image xlink:href='http://a.example/y'/>"
        "<rect style='position:fixed; inset:0; fill: url(http://a.example)'/><use xlink:href='http://a.example/#z'/>",
    ))  # fmt: skip
    identity = {"name": HOSTILE, "sha": HOSTILE, "layers": 1, "d_model": 1, "dtype": HOSTILE}
    text, line = {"name": HOSTILE, "sha": "a", "n": 1}, dict.fromkeys(("measure", "version", "line"), HOSTILE)
    signature = {**line, "model": identity, "corpus": text, "settings": {HOSTILE: HOSTILE}}
    said = dict.fromkeys(("report", "question", "verdict", "written"), HOSTILE)
    resealed(run, notes=[HOSTILE], signature=signature, environment={HOSTILE: HOSTILE}, settings={HOSTILE: HOSTILE}, **said)
    folder = run.rename(run.parent / "<script>alert(2)<.script>")
    return write_page([folder], run.parent / "page.html")


def test_whatever_a_run_says_is_shown_and_never_run(hostile_page):
    text = hostile_page.read_text(encoding="utf-8")
    elements = Elements(text).found
    assert [tag for tag, _ in elements].count("script") == 1
    assert not {tag for tag, _ in elements} & {"iframe", "img", "foreignobject", "object", "embed", "base"}
    assert not [name for _, given in elements for name in given if name.startswith("on")]
    assert not [value for _, given in elements for value in given.values() if value and value.startswith(("http", "javascript"))]
    assert "position:fixed" not in text
    assert text.count("&lt;script&gt;alert(1)") > 10


@pytest.mark.skipif(CHROMIUM is None, reason="needs a browser")
def test_a_browser_runs_and_fetches_nothing_of_it(hostile_page, tmp_path):
    with browser(tmp_path) as seen:
        seen.call("Page.addScriptToEvaluateOnNewDocument", source="window.alert = () => { window.hacked = true }")
        seen.open(hostile_page)
        assert seen.ask("window.hacked === undefined && document.querySelectorAll('article').length") == 1
        assert [address for address in seen.fetched if not address.startswith("file:")] == []
        assert seen.complaints == []


@pytest.mark.parametrize(
    "inner",
    [
        "".join(f'<g id="a{n}"><use xlink:href="#a{n + 1}"/><use xlink:href="#a{n + 1}"/></g>' for n in range(40))
        + '<rect id="a40"/>',
        "".join(f'<mask id="m{n}"><rect mask="url(#m{n + 1})"/><rect mask="url(#m{n + 1})"/></mask>' for n in range(40)),
    ],
    ids=["use", "mask"],
)
def test_a_drawing_of_drawings_is_drawn_once(inner, tmp_path):
    (tmp_path / "f.svg").write_text(SVG.format("", inner))
    drawn = inline_svg(tmp_path / "f.svg", "p-", "label")
    aims = set(re.findall(r"#p-(\w+)", drawn))
    for own in re.findall(r'<(?:g|mask) id="p-(\w+)">(.*?)</(?:g|mask)>', drawn):
        assert own[0] not in aims or "#" not in own[1]


@pytest.mark.parametrize("bomb", ["entities", "depth"])
def test_a_figure_that_grows_is_refused_soon(bomb, tmp_path):
    entities = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(20))
    text = {
        "entities": f'<!DOCTYPE svg [<!ENTITY e0 "xxxxxxxxxx">{entities}]>' + SVG.format("", "<text>&e20;</text>"),
        "depth": SVG.format("", "<g>" * 100_000 + "</g>" * 100_000),
    }[bomb]
    (tmp_path / "f.svg").write_text(text)
    with no_longer_than(), pytest.raises(ValueError, match=r"f\.svg"):
        inline_svg(tmp_path / "f.svg", "", "")


def test_a_terminal_is_told_nothing_but_text(run, tmp_path, monkeypatch, capsys):
    with monkeypatch.context() as patch:
        patch.setattr(Small, "verdict", lambda self: HOSTILE + "\x9b2J\u202e[bold]")
        patch.setattr(align, "run", lambda settings: curves(HOSTILE, Small))
        assert cli.main(["align", "--output", str(tmp_path / "a")]) == 0
    out = capsys.readouterr().out
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202e]", out)
    assert r"\x1b[2J" in out
    assert "[bold]" in out
    (tmp_path / "t.tsv").write_text("eng_Latn\t\x1b[2J\na\tb\n")
    for args in (
        ["page", "\x1b]0;x\x07"],
        ["align", "--corpus", str(tmp_path / "t.tsv"), "--output", str(tmp_path / "b")],
        ["\x1b[2J"],
    ):
        assert cli.main(args) == 2
        assert "\x1b" not in capsys.readouterr().err


@given(st.text(max_size=8))
def test_every_character_but_a_control_is_printed_as_it_is(text):
    shown = printable(text)
    assert shown.isprintable() or not re.search(r"[\x00-\x1f\x7f-\x9f\u202d\u202e]", shown)
    if text.isprintable():
        assert shown == text


SIGNS = (
    st.text(st.sampled_from("=+-@'\t\r\n\",;ax1é"), max_size=6)
    | st.text(max_size=8)
    | st.sampled_from(["NA", "null", "nan", "=1+1"])
)


@settings(deadline=None, max_examples=60)
@given(
    st.lists(
        st.tuples(SIGNS.filter(lambda text: text and text == text.encode("utf-8", "ignore").decode()), st.floats()),
        min_size=1,
        max_size=5,
    )
)
def test_a_summary_holds_no_formula_and_reads_back_as_it_was(tmp_path_factory, rows):
    path = tmp_path_factory.mktemp("sheet") / "summary.csv"
    table = pd.DataFrame({"language": ["a", *(text for text, _ in rows)], "estimate": [0.5, *(value for _, value in rows)]})
    write_spreadsheet(table, path)
    with path.open(newline="", encoding="utf-8") as file:
        cells = [row[0] for row in csv.reader(file)]
    assert not [
        cell for cell in cells if len(cell) > 1 and cell[0] in "=+-@\t\r" and not re.fullmatch(r"[+-]?[\d.]+(e[+-]?\d+)?", cell)
    ]
    again = read_spreadsheet(path)
    assert again["language"].tolist() == table["language"].tolist()
    assert np.array_equal(again["estimate"], table["estimate"], equal_nan=True)
