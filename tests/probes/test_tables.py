"""The numbers of a report in a paper: as Markdown, as LaTeX, and as one frame for several reports."""

from __future__ import annotations

import re

import numpy as np
import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from probes.tables import escaped, latex_table, markdown_table
from tests.experiments.pages.test_page import curves

AWKWARD = pd.DataFrame({"language": ["eng_Latn>deu_Latn", "a|b & 5 %"], "layer": ["embed", "3"], "estimate": [0.12345, np.nan],
                        "lower": [-0.00001, np.nan], "upper": [0.5, np.nan], "n": [12, 0]})  # fmt: skip


def test_a_markdown_table_has_a_row_a_cell_and_its_signs_stay_text():
    lines = markdown_table(AWKWARD).splitlines()
    assert lines == [
        "| language | layer | estimate | 95 % | n |",
        "| :--- | :--- | ---: | ---: | ---: |",
        "| eng_Latn>deu_Latn | embed | 0.123 | [0.000, 0.500] | 12 |",
        "| a\\|b & 5 % | 3 | – | – | 0 |",
    ]


def test_a_latex_table_has_a_row_a_cell_and_its_signs_are_no_commands():
    text = latex_table(AWKWARD, caption="50 % of a_b", label="tab:one")
    assert r"\caption{50 \% of a\_b}" in text
    assert r"\label{tab:one}" in text
    assert r"eng\_Latn\textgreater{}deu\_Latn & embed & 0.123 & [0.000, 0.500] & 12 \\" in text
    rows = text[text.index(r"\midrule") : text.index(r"\bottomrule")].splitlines()[1:]
    assert [len(re.findall(r"(?<!\\)&", row)) for row in rows] == [4, 4]
    assert re.search(r"\\begin\{tabular\}\{llrrr\}", text)


@given(st.text(max_size=60))
def test_no_text_is_a_command(text):
    left = re.sub(r"\\(?:textbackslash|textasciitilde|textasciicircum|textless|textgreater)\{\}|\\[&%$#_{}]", "", escaped(text))
    assert not set(left) & set("\\&%$#_{}~^<>")


def test_frames_of_two_reports_stand_under_one_another():
    both = pd.concat([curves("one").tidy(), curves("two").tidy()], ignore_index=True)
    assert list(both)[:5] == ["report", "model", "model_sha", "corpus", "corpus_sha"]
    assert both.groupby("model", sort=False).size().to_dict() == {"one": 36, "two": 36}
    pd.testing.assert_frame_equal(curves("one").tidy().iloc[:, 5:], curves("one").summary())


def test_a_report_is_written_with_the_columns_asked_for():
    report = curves("m")
    text = report.to_latex(["language", "estimate", "lower", "upper"], digits=1)
    assert text.startswith("\\begin{table}")
    assert escaped(str(report.signature)) in text
    assert report.to_latex(caption="").startswith("\\begin{tabular}")
    assert report.to_markdown(["language", "n"]).startswith("| language | n |")
    with pytest.raises(ValueError, match="got column 'langauge', expected some of layer, language"):
        report.to_markdown(["langauge"])
