"""What a notebook shows of a report: its verdict, its figure and a short table, in one piece that needs no widget."""

from __future__ import annotations

import base64
import inspect
import re
from html.parser import HTMLParser

import numpy as np
import pandas as pd
import pytest

import interp
import probes
from probes.notebook import short_table


class Tags(HTMLParser):
    """The tags of a page, each closed in its order; `text` is what is read."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open, self.seen, self.text = [], [], ""
        self.feed(page)
        assert not self.open

    def handle_starttag(self, tag, attrs):
        self.seen.append((tag, dict(attrs)))
        if tag not in ("img", "br"):
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


@pytest.fixture(scope="module")
def report():
    rng = np.random.default_rng(0)
    arrays = {code: rng.normal(size=(9, 12, 8)) for code in ("eng_Latn", "deu_Latn", "swh_Latn")}
    return probes.measure_alignment(interp.Activations.from_arrays(arrays), metrics=("mexa",), resamples=20)


def test_a_report_shows_verdict_figure_and_a_short_table(report):
    page = Tags(report._repr_html_())
    assert " ".join(report.verdict().split()) in " ".join(page.text.split())
    assert str(report.signature) in page.text
    images = [attributes for tag, attributes in page.seen if tag == "img"]
    assert [image["alt"] for image in images] == [report.question]
    assert base64.b64decode(images[0]["src"].partition(",")[2]).startswith(b"\x89PNG")
    assert 2 <= sum(tag == "tr" for tag, _ in page.seen) <= 12
    assert not {"script", "iframe", "link"} & {tag for tag, _ in page.seen}
    assert f"All {len(report.summary())} rows" in page.text


def test_what_a_report_shows_is_text_and_never_markup(report):
    hostile = type(report)(report.table, report.signature, settings=report.settings, notes=("<script>alert(1)</script>",))
    assert "<script>" not in hostile._repr_html_()


def test_a_long_summary_keeps_the_layer_that_differs_most_from_its_baseline():
    table = pd.DataFrame(
        {"language": "deu_Latn", "layer": [str(k) for k in range(30)], "estimate": 0.5, "baseline": [0.5] * 29 + [0.1], "n": 9}
    )
    shown, said = short_table(table)
    assert shown["layer"].tolist() == ["29"]
    assert "All 30 rows" in said
    assert short_table(table.head(3))[0].equals(table.head(3))


@pytest.mark.parametrize("kind", [name for name in probes.__all__ if name.endswith("Report") or name == "TransplantGrid"])
def test_every_report_has_a_line_for_itself(kind):
    assert getattr(probes, kind).__repr__ is probes.Report.__repr__


def test_what_is_at_hand_says_what_it_is_in_one_line(report):
    corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"]).select(limit=20)
    task = interp.ParallelTask("capitals", {"en": ("Peru?",)}, {"en": (("Lima",),)})
    acts = interp.Activations.from_arrays({code: np.zeros((3, 5, 8)) for code in ("eng_Latn", "deu_Latn")})
    for thing, told in ((corpus, "20"), (task, "capitals"), (acts, "d_model 8"), (report, "n=12")):
        line = repr(thing)
        assert "\n" not in line
        assert len(line) < 160
        assert type(thing).__name__ in line
        assert told in line


@pytest.mark.parametrize("package", [interp, probes])
def test_a_name_completes_and_says_what_it_takes(package):
    assert set(package.__all__) <= set(dir(package))
    for name in package.__all__:
        thing = getattr(package, name)
        assert inspect.getdoc(thing), name
        if inspect.isfunction(thing):
            parameters = inspect.signature(thing).parameters.values()
            assert not [one for one in parameters if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD)], name
            assert not re.search(r"\bargs\b", str(inspect.signature(thing))), name
