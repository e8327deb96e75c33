"""Options and right answers in the forms that published files and spreadsheets have them in."""

import csv
import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from interp.text.corpus import ParallelTask
from interp.text.read import read_task
from interp.text.survey import survey
from tests.support.texts import jsonl, put


def asked(tmp_path: Path, *rows: dict, name: str = "q", **how) -> ParallelTask:
    """The task of these rows, in two languages alike."""
    content = jsonl(*({"id": n, "question": "q", **row} for n, row in enumerate(rows)))
    return read_task(put(tmp_path / name, {"en.jsonl": content, "de.jsonl": content}), **how)


def table(rows: list[dict]) -> str:
    sheet = io.StringIO()
    writer = csv.DictWriter(sheet, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return sheet.getvalue()


SECOND = {
    "ARC": {"choices": {"text": ["x", "y", "z"], "label": ["A", "B", "C"]}, "answerKey": "B"},
    "ARC, numbered": {"choices": {"text": ["x", "y", "z"], "label": ["1", "2", "3"]}, "answerKey": "2"},
    "ARC, as released": {"question": {"stem": "q", "choices": [{"text": t, "label": k} for t, k in zip("xyz", "ABC", strict=True)]},
                         "answerKey": "B"},
    "own labels in another order": {"choices": {"text": ["x", "y", "z"], "label": ["C", "A", "B"]}, "answerKey": "A"},
    "by letter": {"options": {"A": "x", "B": "y", "C": "z"}, "answer": "B"},
    "by letter, none at the end": {"options": {"A": "x", "B": "y", "C": "z", "D": None}, "answer": "B"},
    "MedQA": {"options": {"A": "x", "B": "y", "C": "z"}, "answer": "y", "answer_idx": "B"},
    "MMLU-Pro": {"options": ["x", "y", "z"], "answer": "B", "answer_index": 1},
    "MedMCQA": {"opa": "x", "opb": "y", "opc": "z", "cop": 1},
    "SIQA": {"answerA": "x", "answerB": "y", "answerC": "z", "label": "B"},
    "HellaSwag": {"ctx": "q", "endings": ["x", "y", "z"], "label": 1},
    "option_1": {"option_1": "x", "option_2": "y", "option_3": "z", "answer": 2},
    "option_A": {"option_A": "x", "option_B": "y", "option_C": "z", "answer": "b"},
    "optionA": {"optionA": "x", "optionB": "y", "optionC": "z", "correct": "B"},
    "Option A": {"Option A": "x", "Option B": "y", "Option C": "z", "Correct Answer": "y"},
    "answer_a": {"answer_a": "x", "answer_b": "y", "answer_c": "z", "correct_answer": "answer_b"[-1]},
    "answers beside options": {"choices": ["x", "y", "z"], "answers": ["y"]},
    "a list of one": {"choices": ["x", "y", "z"], "answer": ["B"]},
    "an object": {"choices": ["x", "y", "z"], "answers": {"text": ["y"], "answer_start": [0]}},
    "in brackets": {"choices": ["x", "y", "z"], "answer": "(B)"},
    "with a point": {"choices": ["x", "y", "z"], "answer": "B."},
    "with a bracket": {"choices": ["x", "y", "z"], "answer": "b)"},
    "full width": {"choices": ["x", "y", "z"], "answer": "Ｂ"},
    "another case": {"choices": ["x", "Y ", "z"], "answer": "y"},
    "label": {"choices": ["x", "y", "z"], "label": 1},
    "a float": {"choices": ["x", "y", "z"], "answer": 1.0},
    "its field": {"choice_a": "x", "choice_b": "y", "choice_c": "z", "answer": "choice_b"},
    "a mark for each": {"choices": ["x", "y", "z"], "label": [0, 1, 0]},
    "native digits": {"option1": "x", "option2": "y", "option3": "z", "answer": "٢"},
    "JSON in a cell": {"choices": '["x", "y", "z"]', "answer": "y"},
    "Python in a cell": {"choices": "['x', 'y', 'z']", "answer": "y"},
    "NumPy in a cell": {"choices": "['x' 'y'\n 'z']", "answer": "B"},
    "an array in a cell": {"choices": "{'text': array(['x', 'y', 'z'], dtype=object), "
                           "'label': array(['A', 'B', 'C'],\n dtype=object)}", "answerKey": "B"},
}  # fmt: skip


WRITTEN = {
    "numbers": (["1. a", "2. b", "3. c"], "2", "2. b"),
    "a number": (["1. a", "2. b", "3. c"], 2, "2. b"),
    "brackets": (["(1) a", "(2) b", "(3) c"], 2, "(2) b"),
    "circled": (["① w", "② x", "③ y"], "②", "② x"),
    "circled, a number": (["①w", "②x", "③y"], 2, "②x"),
    "another order": (["B. w", "A. x"], "A", "A. x"),
    "brackets around letters": (["(B) w", "(A) x"], "(a)", "(A) x"),
    "Thai": (["ข. w", "ก. x"], "ก", "ก. x"),
    "Korean": (["나) w", "가) x"], "가", "가) x"),
    "Bengali digits": (["২. w", "১. x"], "১", "১. x"),
    "Chinese": (["B、w", "A、x"], "Ａ", "A、x"),
    "Arabic": (["ب- w", "أ- x"], "أ", "أ- x"),
    "Roman": (["II. w", "I. x"], "i", "I. x"),
    "from 0": (["1) w", "0) x"], 0, "0) x"),
    "its text": (["B. w", "A. x"], "A. x", "A. x"),
    "numbers that are none": (["1.5", "2.5", "3.5"], "B", "2.5"),
    "initials": (["B. Wong", "C. Xu", "D. Yi"], "B", "C. Xu"),
    "times": (["2:30", "1:30"], "B", "1:30"),
}


@pytest.mark.parametrize("kind", WRITTEN)
def test_an_answer_that_names_the_label_of_an_option_means_it(tmp_path: Path, kind: str) -> None:
    options, answer, right = WRITTEN[kind]
    task = asked(tmp_path, {"choices": options, "answer": answer})
    assert (task.choices["deu_Latn"][0], task.answers["deu_Latn"]) == (tuple(options), ((right,),))


def test_labels_in_options_hold_in_every_language_and_field(tmp_path: Path) -> None:
    def task(german: list[str], **english: object) -> ParallelTask:
        row = {"id": 1, "question": "q", "choices": ["A. cat", "B. dog"], "answer": "B", **english}
        other = {"id": 1, "question": "q", "choices": german, "answer": "B"}
        return read_task(put(tmp_path / "t", {"en.jsonl": jsonl(row), "de.jsonl": jsonl(other)}))

    assert task(["B. Hund", "A. Katze"]).answers["deu_Latn"] == (("B. Hund",),)
    unlabelled = task(["Katze", "Hund"], choices=["B. dog", "A. cat"])
    assert unlabelled.answers == {"deu_Latn": (("Hund",),), "eng_Latn": (("B. dog",),)}
    fields = {"option_1": "B. dog", "option_2": "A. cat"}
    assert asked(tmp_path, {**fields, "answer": "A"}).answers["eng_Latn"] == (("A. cat",),)
    with pytest.raises(ValueError, match=r"got option 'B\. dog' with the label A, expected B as it begins"):
        asked(tmp_path, {"option_a": "B. dog", "option_b": "A. cat", "answer": "A"}, name="f")


@pytest.mark.parametrize("kind", SECOND)
def test_the_second_option_is_right_in_every_form(tmp_path: Path, kind: str) -> None:
    task = asked(tmp_path, SECOND[kind])
    assert [text.strip().lower() for text in task.choices["deu_Latn"][0]] == ["x", "y", "z"]
    assert task.answers["eng_Latn"] == ((task.choices["eng_Latn"][0][1],),)
    assert task.prompts["eng_Latn"] == ("q\n",) or kind == "HellaSwag"


@pytest.mark.parametrize("kind", sorted(set(SECOND) - {"own labels in another order", "ARC, as released"}))
def test_a_spreadsheet_of_it_says_the_same(tmp_path: Path, kind: str) -> None:
    rows = [{"id": 1, "question": "q", **SECOND[kind]}, {"id": 2, "question": "r", **SECOND[kind]}]
    frame = pd.DataFrame(rows)
    for field in frame:
        if frame[field].map(lambda cell: isinstance(cell, list)).all():
            frame[field] = frame[field].map(np.array)
    content = frame.to_csv(index=False)
    task = read_task(put(tmp_path / "s", {"en.csv": content, "de.csv": content}))
    assert [text.strip().lower() for text in task.choices["deu_Latn"][0]] == ["x", "y", "z"]
    assert task.answers["eng_Latn"][1] == (task.choices["eng_Latn"][1][1],)


FOUR = {"choices": ["w", "x", "y", "z"]}


@pytest.mark.parametrize(
    ("given", "right", "noted"),
    [
        ([1, 2, 4], "wxz", "answer counts the options from 1: it is never 0, and somewhere the number of options"),
        ([0, 2, 3], "wyz", "answer counts the options from 0"),
        (["1", "4"], "wz", "from 1: it is never 0"),
        ([1, 2, 3], "xyz", "from 0, by custom: no answer says so"),
    ],
)
def test_numbers_count_from_0_or_1_as_the_file_shows(tmp_path: Path, given: list, right: str, noted: str) -> None:
    task = asked(tmp_path, *({**FOUR, "answer": number} for number in given))
    assert "".join(answers[0] for answers in task.answers["eng_Latn"]) == right
    assert any(noted in line for line in task.notes)
    assert any("by custom" in line for line in survey(task).warnings) == ("by custom" in noted)


def test_rows_behind_the_limit_show_it_too(tmp_path: Path) -> None:
    rows = [{**FOUR, "answer": number} for number in (1, 2, 4)]
    assert asked(tmp_path, *rows, limit=1).answers["eng_Latn"] == (("w",),)


def test_rows_of_other_splits_show_it_too(tmp_path: Path) -> None:
    splits = [{**FOUR, "answer": number, "split": part} for number, part in ((1, "dev"), (2, "dev"), (4, "test"))]
    assert asked(tmp_path, *splits, split="dev").answers["eng_Latn"] == (("w",), ("x",))
    long = jsonl(*({"id": n, "question": "q", "lang": lang, **row} for lang in ("en", "de") for n, row in enumerate(splits)))
    assert read_task(put(tmp_path / "l", {"all.jsonl": long}) / "all.jsonl", split="dev").answers["deu_Latn"] == (("w",), ("x",))


def test_the_labels_of_all_splits_are_options(tmp_path: Path) -> None:
    rows = [{"id": n, "premise": "p", "hypothesis": "h", "label": label, "split": part}
            for n, (label, part) in enumerate(((0, "a"), (1, "a"), (2, "b"), (-1, "hidden")))]  # fmt: skip
    for split, count in (("a", 2), ("b", 1)):
        task = read_task(put(tmp_path / "n", {"en.jsonl": jsonl(*rows), "de.jsonl": jsonl(*rows)}), split=split)
        assert task.choices["eng_Latn"] == (("0", "1", "2"),) * count
    with pytest.raises(ValueError, match="which is no gold label"):
        read_task(tmp_path / "n", split="hidden")


def test_a_label_that_pandas_wrote_as_float_is_a_whole_number(tmp_path: Path) -> None:
    for n, labels in enumerate(([0.0, 1.0], ["0.0", "1.0"])):
        rows = [{"id": n, "premise": "p", "hypothesis": "h", "label": label} for n, label in enumerate(labels)]
        task = read_task(put(tmp_path / str(n), {"en.jsonl": jsonl(*rows)}))
        assert (task.choices["eng_Latn"][0], task.answers["eng_Latn"][1]) == (("0", "1"), ("1",))


def test_wrong_answers_beside_the_right_one_are_options(tmp_path: Path) -> None:
    for row in ({"distractor1": "x", "distractor2": "y", "correct_answer": "z"},
                {"Correct Answer": "z", "Incorrect Answer 1": "x", "Incorrect Answer 2": "y"},
                {"correct_answer": "z", "incorrect_answers": ["x", "y"]}):  # fmt: skip
        task = asked(tmp_path, row)
        assert (sorted(task.choices["eng_Latn"][0]), task.answers["eng_Latn"]) == (["x", "y", "z"], (("z",),))


def test_options_that_are_numbers_may_be_said_by_themselves(tmp_path: Path) -> None:
    task = asked(tmp_path, {"choices": ["2", "3", "4"], "answer": "2"}, {"choices": ["1", "2", "7"], "answer": "7"})
    assert task.answers["eng_Latn"] == (("2",), ("7",))
    assert asked(tmp_path, {"choices": [5, 10], "answer": 10}).answers["eng_Latn"] == (("10",),)


REFUSED = {
    "a gap": ({"A": "x", "B": "y", "C": "z", "E": "w", "answer": "E"},
        "got options A, B, C, E, expected each in turn: there is none of D"),
    "a gap of numbers": ({"option1": "x", "option3": "y", "answer": 1}, "there is none of 2"),
    "no option": ({"choices": ["x", "y"], "answer": "no"},
        "got answer 'no', expected one of its options or their letter or number"),
    "no accepted option": ({"choices": ["x", "y"], "answers": ["no"]}, r"got answers \['no'\], expected one of its options"),
    "0 and the number of options": (None, "got answer 4, expected 0 to 3, as the others count the options from 0"),
    "no list": ({"choices": "x|y", "answer": "x"}, r"choices: got 'x\|y', expected a list of options"),
    "no answer": ({"choices": ["x", "y"]}, "got options but no answer in fields .*, expected 'answer' among them"),
    "two answers": ({"choices": ["x", "y"], "answer": "x", "answer_index": 1},
        "got answer 'x' and answer_index 1, expected one option"),
    "a letter or a text": ({"choices": ["B", "A"], "answer": "A"}, "expected one that is not also the letter"),
    "a number or a text": ({"choices": ["2", "1", "0"], "answer": 2},
        "expected one that is not also the letter of another option or its"),
    "labels": ({"choices": {"text": ["x", "y"], "label": ["A"]},
        "answer": "A"}, r"got labels \['A'\] of 2 options, expected a different"),
    "alike": ({"choices": ["x", " x"], "answer": "x"}, "got option ' x' twice"),
    "options lost": ({"possible": ["x", "y"], "answer": 1},
        "got answer 1 and a list 'possible' that it may be of, expected the options"),
    "key alone": ({"answerKey": "B"}, "got answerKey 'B' but no options"),
    "letters alone": (None, "got answer 'A' but no options, as in every row"),
    "bool": ({"answer": True}, "got answer True, expected words of the language. Call the field 'label'"),
    "bool in words": ({"answer": "FALSE"}, "got answer 'FALSE', expected words of the language"),
    "letters and texts": (None, "got answer 'x', expected a letter from A to D, as the others"),
}  # fmt: skip
SEVERAL = {
    "letters and texts": [{**FOUR, "answer": answer} for answer in ("A", "B", "x")],
    "0 and the number of options": [{**FOUR, "answer": number} for number in (0, 1, 2, 4)],
    "letters alone": [{"answer": letter} for letter in "ABD"],
}


@pytest.mark.parametrize("fault", REFUSED)
def test_what_leaves_the_answer_open_is_refused_in_one_line(tmp_path: Path, fault: str) -> None:
    row, message = REFUSED[fault]
    with pytest.raises(ValueError, match=message) as refused:
        asked(tmp_path, *(SEVERAL[fault] if row is None else [row]))
    assert len(str(refused.value).splitlines()) == 1


OPEN = {
    "a list": ({"answer": ["four"]}, ("four",)),
    "TriviaQA": ({"answer": {"value": "four", "aliases": ["four", "4"], "normalized_value": "four"}}, ("four", "4")),
    "SQuAD of the Hub": ({"answers": {"text": ["four", "4"], "answer_start": [0, 3]}}, ("four", "4")),
    "in a cell": ({"answers": "['four' '4']"}, ("four", "4")),
    "SQuAD in a cell": ({"answers": "{'text': array(['four'], dtype=object), 'answer_start': array([3], dtype=int32)}"}, ("four",)),
    "a number": ({"answer": 4.0}, ("4",)),
    "less than nothing": ({"answer": "-1"}, ("-1",)),
    "MGSM": ({"answer": None, "answer_number": 4, "equation_solution": "2 + 2"}, ("4",)),
    "an interval": ({"answer": "[1, 2]"}, ("[1, 2]",)),
    "beside a topic": ({"answer": "four", "label": "sums"}, ("four",)),
    "GSM8K": ({"answer": "3+4=<<3+4=7>>7\n#### 7"}, ("7",)),
    "a heading": ({"answer": "#### Four\nand more"}, ("#### Four\nand more",)),
    "another name": ({"correct_answer": "four"}, ("four",)),
}


@pytest.mark.parametrize("kind", OPEN)
def test_accepted_answers_are_read_in_every_form(tmp_path: Path, kind: str) -> None:
    row, accepted = OPEN[kind]
    task = asked(tmp_path, row)
    assert (task.answers["eng_Latn"], dict(task.choices)) == ((accepted,), {})


def test_a_header_in_capitals_is_read(tmp_path: Path) -> None:
    sheet = table([{"Question": "q", "A": "x", "B": "y", "Answer": "B"}])
    task = read_task(put(tmp_path / "c", {"en.csv": sheet, "de.csv": sheet}))
    assert (task.prompts["eng_Latn"], task.answers["eng_Latn"]) == (("q\n",), (("y",),))
    sheet = table([{"Premise": "p", "Hypothesis": n, "Label": n} for n in ("no", "yes")])
    task = read_task(put(tmp_path / "n", {"en.csv": sheet, "de.csv": sheet}))
    assert (task.prompts["eng_Latn"][0], task.choices["eng_Latn"][0]) == ("p\nno\n", ("no", "yes"))
    sheet = table([{"Q": "q", "A": "x"}])
    assert read_task(put(tmp_path / "qa", {"en.csv": sheet})).answers["eng_Latn"] == (("x",),)
    assert read_task(tmp_path / "n", template="{Premise}?").prompts["eng_Latn"] == ("p?", "p?")


def test_the_same_number_in_other_digits_is_the_same_gold(tmp_path: Path) -> None:
    rows = {"en.jsonl": "1,250.5", "ar.jsonl": "١٬٢٥٠٫٥", "de.jsonl": "1.250,5", "hi.jsonl": "१,२५०.५"}
    files = {name: jsonl({"id": 1, "question": "q", "answer": answer}) for name, answer in rows.items()}
    assert len(read_task(put(tmp_path / "d", files))) == 1
    put(tmp_path / "d", {"ar.jsonl": jsonl({"id": 1, "question": "q", "answer": "١٨"})})
    with pytest.raises(ValueError, match=r"got gold label .*, expected .* as in"):
        read_task(tmp_path / "d")


def test_worked_solutions_with_other_numbers_are_other_questions(tmp_path: Path) -> None:
    files = {f"{code}.jsonl": jsonl({"id": 1, "question": "q", "answer": f"3+4\n#### {n}"}) for code, n in (("en", 8), ("de", 7))}
    with pytest.raises(ValueError, match="got gold label '8' for item '1', expected '7'"):
        read_task(put(tmp_path / "g", files))


def test_a_number_in_german_files_of_mgsm_is_what_the_other_languages_show(tmp_path: Path) -> None:
    files = {f"{code}.jsonl": jsonl({"id": 1, "question": "q", "answer": "2,125"}) for code in ("en", "de")}
    folder = put(tmp_path / "m", files)
    assert read_task(folder).answers == {"deu_Latn": (("2,125", "2125"),), "eng_Latn": (("2,125",),)}
    alone = read_task(folder, languages=["de"])
    assert any("numbers such as 2,125 are read as 2.125" in line for line in alone.notes)


def test_options_in_another_number_or_place_are_seen(tmp_path: Path) -> None:
    def task(**german: object) -> ParallelTask:
        english = {"id": 1, "question": "q", "choices": ["x", "y"], "answer": "x"}
        return read_task(put(tmp_path / "t", {"en.jsonl": jsonl(english), "de.jsonl": jsonl({**english, **german})}))

    with pytest.raises(ValueError, match="got 2 options for item '1', expected 3 as in deu_Latn"):
        task(choices=["x", "y", "z"])
    assert any("1 of 1 answers are not at the place" in line for line in task(answer="y").notes)


def test_files_may_spell_their_fields_and_labels_each_in_its_own_way(tmp_path: Path) -> None:
    english = {"id": 1, "Question": "q", "options": {"A": "x", "B": "y"}, "Answer": "B"}
    russian = {"id": 1, "question": "q", "options": {"А": "x", "Б": "y"}, "answer": "Б"}
    task = read_task(put(tmp_path / "t", {"en.jsonl": jsonl(english), "ru.jsonl": jsonl(russian)}))
    assert task.answers == {"eng_Latn": (("y",),), "rus_Cyrl": (("y",),)}
    put(tmp_path / "t", {"ru.jsonl": jsonl({**russian, "answer": "А"})})
    with pytest.raises(ValueError, match="got gold label 'А' for item '1', expected 'B'"):
        read_task(tmp_path / "t")


def test_a_topic_beside_the_answer_is_no_answer(tmp_path: Path) -> None:
    task = asked(tmp_path, {**FOUR, "answer": "B", "label": 3})
    assert (task.answers["eng_Latn"], task.notes) == ((("x",),), ("rows are paired by key id",))


@pytest.mark.parametrize(
    ("answers", "choices", "message"),
    [
        ({"en": (("no",),)}, {"en": (("x", "y"),)}, "got answer 'no' for item '0' in eng_Latn, expected one of its options"),
        ({"en": (("x",),)}, {"en": (("x", "x "),)}, "got option 'x ' twice"),
        (
            {"en": (("x",),), "de": (("x",),)},
            {"en": (("x", "y"),), "de": (("x", "y", "z"),)},
            r"got 3 options for item .0. in deu_Latn, expected 2",
        ),
        ({"en": ((),)}, {}, "got no answer for item '0' in eng_Latn"),
    ],
)
def test_a_task_from_python_is_held_to_the_same(answers, choices, message) -> None:
    with pytest.raises(ValueError, match=message):
        ParallelTask("t", dict.fromkeys(answers, ("q",)), answers, choices)


def test_a_deep_or_long_cell_is_no_list() -> None:
    from interp.text.questions.written_lists import listed

    for text in ("[" * 100_000 + "]" * 100_000, "['a' " * 50_000 + "]", "{'a': __import__('os')}", "[1e999999]" + " " * 10):
        assert listed(text) in (text, [float("inf")])
    assert json.loads(json.dumps(listed("['it\\'s' \"a\"]"))) == ["it's", "a"]
