"""What is said of a text before a model runs on it is what its letters say."""

from __future__ import annotations

from interp.text.corpus import ParallelCorpus, ParallelTask
from interp.text.survey import survey

LINES = tuple(f"{'word ' * (3 + row % 5)}{row}" for row in range(60))


def test_a_sound_corpus_gets_no_warning():
    found = survey(
        ParallelCorpus("c", {"en": LINES, "de": tuple(f"Ü{line}" for line in LINES)}, documents=tuple(map(str, range(60))))
    )
    assert (found.warnings, found.items, found.documents) == ((), 60, 60)
    assert [(own.shortest, own.longest, own.repeated, own.foreign) for own in found.languages[:1]] == [(16, 37, 0, 0.0)]


def test_lines_out_of_step_and_repeats_are_counted_and_named():
    shifted = ("x" * 400, *LINES[1:-1], LINES[1])
    found = survey(ParallelCorpus("c", {"en": LINES, "de": shifted}))
    own = found.languages[1]
    assert (own.far, own.repeated, own.copied) == (("0",), 1, 58)
    assert found.warnings[0] == "deu_Latn: 58 of 60 texts are those of eng_Latn, letter by letter"


def test_a_script_is_that_of_the_language_in_every_mixture_it_is_written_in():
    texts = {"ja": ("漢字とカナ", "カナ"), "ko": ("한국어", "漢字"), "sr": ("dobro", "добро"), "zh-Hant": ("漢字", "12")}
    foreign = {own.code: own.foreign for own in survey(ParallelCorpus("c", texts)).languages}
    assert foreign["jpn_Jpan"] == foreign["zho_Hant"] == 0
    assert foreign["srp_Cyrl"] == 0.5


def test_a_task_is_described_by_its_prompts_and_options():
    task = ParallelTask("t", {"en": ("a", "b")}, {"en": (("x",), ("y",))}, {"en": (("x", "z"), ("x", "y", "z"))})
    assert survey(task).options == (2, 3)
