"""Questions of every format become the same kind of task, and a faulty file is an error that says where."""

import json
import logging
from pathlib import Path

import pytest

from interp.text.read import read, read_task
from tests.support.shared import DATA
from tests.support.texts import jsonl, put

SHARED = pytest.mark.skipif(not DATA.exists(), reason="shared data not here")


def squad(question: str, context: str, answer: str) -> str:
    asked = {"id": "q1", "question": question, "answers": [{"text": answer, "answer_start": 0}]}
    return json.dumps({"data": [{"title": "t", "paragraphs": [{"context": context, "qas": [asked, {**asked, "id": "q2"}]}]}]})


def test_xquad_json_is_a_corpus_of_paragraphs_or_questions_and_a_task(tmp_path: Path) -> None:
    folder = put(tmp_path / "xquad", {"xquad.en.json": squad("Who?", "Me.", "Me"), "xquad.de.json": squad("Wer?", "Ich.", "Ich")})
    assert read(folder).sentences == {"deu_Latn": ("Ich.",), "eng_Latn": ("Me.",)}
    assert read(folder, split="questions")["en"] == ("Who?", "Who?")
    task = read_task(folder, languages=["en", "de"])
    assert task.prompts == {"eng_Latn": ("Me.\n\nWho?\n",) * 2, "deu_Latn": ("Ich.\n\nWer?\n",) * 2}
    assert task.answers["deu_Latn"][1] == ("Ich",)
    assert (task.ids, task.documents, dict(task.choices)) == (("q1", "q2"), ("0-0", "0-0"), {})


def test_questions_find_their_paragraphs_in_the_file_beside(tmp_path: Path) -> None:
    rows = {
        "questions.en.jsonl": jsonl({"id": 1, "pid": "p", "question": "Who?", "answers": ["Me"]}),
        "paragraphs.en.jsonl": jsonl({"pid": "p", "context": "Me."}),
    }
    assert read_task(put(tmp_path / "x", rows)).prompts["eng_Latn"] == ("Me.\n\nWho?\n",)
    put(tmp_path / "x", {"paragraphs.en.jsonl": jsonl({"pid": "other", "context": "Me."})})
    with pytest.raises(ValueError, match=r"questions.en.jsonl:1: got paragraph id 'p', expected one of .*paragraphs.en.jsonl"):
        read_task(tmp_path / "x")


XNLI = {
    "en.jsonl": jsonl(
        {"id": "a", "premise": "P", "hypothesis": "H", "label": "1"},
        {"id": "b", "premise": "{hypothesis}", "hypothesis": "H", "label": "2"},
    ),
    "de.jsonl": jsonl(
        {"id": "b", "premise": "p", "hypothesis": "h", "label": "2"}, {"id": "a", "premise": "q", "hypothesis": "h", "label": "1"}
    ),
    "templates.json": json.dumps(
        {
            "en": {"template": "{premise} (1) Yes {{ {hypothesis}:", "label_words": {"1": "Yes", "2": "No"}},
            "de": {"template": "{premise}/{hypothesis}:", "label_words": {"1": "Ja", "2": "Nein"}},
        }
    ),
}


def test_xnli_takes_the_templates_and_label_words_of_its_folder(tmp_path: Path) -> None:
    task = read_task(put(tmp_path / "x", XNLI), languages=["en", "de"])
    assert task.prompts == {"eng_Latn": ("P (1) Yes {{ H:", "{hypothesis} (1) Yes {{ H:"), "deu_Latn": ("q/h:", "p/h:")}
    assert task.answers == {"eng_Latn": (("Yes", "(1)"), ("No",)), "deu_Latn": (("Ja",), ("Nein",))}
    assert task.choices["deu_Latn"] == (("Ja", "Nein"),) * 2
    mine = read_task(tmp_path / "x", template={"en": "E {premise}", "German": "D {hypothesis}"})
    assert mine.prompts == {"deu_Latn": ("D h", "D h"), "eng_Latn": ("E {hypothesis}", "E P")}


def test_label_words_come_from_the_whole_file_and_in_the_same_order_everywhere(tmp_path: Path) -> None:
    def rows(*pairs):
        return jsonl(
            *({"id": i, "premise": "p", "hypothesis": "h", "label_en": en, "answer": own} for i, (en, own) in enumerate(pairs))
        )

    folder = put(tmp_path / "s", {"en.jsonl": rows(("yes", "yes"), ("no", "no")), "de.jsonl": rows(("yes", "ja"), ("no", "nein"))})
    task = read_task(folder, limit=1)
    assert task.choices == {"deu_Latn": (("nein", "ja"),), "eng_Latn": (("no", "yes"),)}
    assert task.answers["deu_Latn"] == (("ja",),)


def test_xcopa_chooses_between_its_two_choices(tmp_path: Path) -> None:
    row = {
        "idx": 0,
        "split": "val",
        "premise": "It rained.",
        "choice1": "Dry.",
        "choice2": "Wet.",
        "label": 1,
        "question": "effect",
    }
    folder = put(tmp_path / "x", {"en.jsonl": jsonl(row, {**row, "split": "test", "label": 0})})
    task = read_task(folder)
    assert (task.ids, task.prompts["eng_Latn"][0]) == (("val-0", "test-0"), "It rained.\neffect\n")
    assert task.answers["eng_Latn"] == (("Wet.",), ("Dry.",))
    assert read_task(folder, split="test").ids == ("test-0",)
    with pytest.raises(ValueError, match="got split 'train', expected one of 'val', 'test'"):
        read_task(folder, split="train")


def test_the_prompt_has_all_that_a_question_is_about(tmp_path: Path) -> None:
    folder = put(tmp_path / "c", {"en.jsonl": jsonl(*({"idx": n, "premise": "p", "choice1": "a", "choice2": "b", "question": asks,
                                                       "label": n} for n, asks in enumerate(("cause", "effect"))))})  # fmt: skip
    task = read_task(folder)
    assert task.prompts["eng_Latn"] == ("p\ncause\n", "p\neffect\n")
    assert any("follows the premise as it stands" in line for line in task.notes)
    row = {"id": 1, "support": "Air is a gas.", "question": "q", "answer": "a"}
    sciq = read_task(put(tmp_path / "s", {"en.jsonl": jsonl(row, {**row, "id": 2, "support": ""})}))
    assert sciq.prompts["eng_Latn"] == ("Air is a gas.\n\nq\n", "q\n")
    both = read_task(
        put(tmp_path / "b", {"en.jsonl": jsonl({"id": 1, "context": "c", "passage": "p", "question": "q", "answer": "a"})})
    )
    assert both.prompts["eng_Latn"] == ("c\n\np\n\nq\n",)


def test_the_gold_label_of_a_pair_is_its_label(tmp_path: Path) -> None:
    for first, second in (("premise", "hypothesis"), ("sentence1", "sentence2")):
        rows = [{"pairID": n, first: "p", second: "h", "gold_label": own} for n, own in enumerate(("neutral", "entailment"))]
        task = read_task(put(tmp_path / first, {"en.jsonl": jsonl(*rows), "de.jsonl": jsonl(*rows)}))
        assert task.choices["deu_Latn"] == (("entailment", "neutral"),) * 2
        assert task.answers["eng_Latn"] == (("neutral",), ("entailment",))
        assert task.prompts["eng_Latn"][0] == "p\nh\n"


@pytest.mark.parametrize("row", [{"question": None, "answer": "a"}, {"question": "q", "choices": ["a", None], "answer": "a"}])
def test_a_null_in_a_question_is_said(tmp_path: Path, row: dict) -> None:
    with pytest.raises(ValueError, match=r"got null, expected .*Fill it, or remove the item from every language"):
        read_task(put(tmp_path / "n", {"en.jsonl": jsonl({"id": 1, **row})}))


def test_a_table_of_one_line_is_said_to_lack_a_header(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"got no item in deu_Latn, expected one row per item\. The first line of a table is its header"
    ):
        read_task(put(tmp_path / "m", {"mgsm_de.tsv": "Question one\tan answer\n"}))


def test_numbers_with_a_currency_are_the_answers_of_mgsm(tmp_path: Path) -> None:
    task = read_task(put(tmp_path / "m", {"mgsm_de.tsv": "Q1\t12 €\nQ2\t1.000\n"}))
    assert [own[0] for own in task.answers["deu_Latn"]] == ["12 €", "1.000"]


def test_a_cloze_is_cut_at_its_mask_so_that_whole_sentences_are_compared(tmp_path: Path) -> None:
    row = {"id": 1, "prompt": "The capital is <mask>, I think.", "answer": "Rome", "candidates": ["Oslo", "Rome"]}
    folder = put(tmp_path / "b", {"en.jsonl": jsonl(row)})
    task = read_task(folder)
    assert task.prompts["eng_Latn"][0] + task.answers["eng_Latn"][0][0] == "The capital is Rome, I think."
    assert task.choices["eng_Latn"][0] == (" Oslo, I think.", " Rome, I think.")
    assert read_task(folder, template="{prompt} =").choices["eng_Latn"][0] == ("Oslo", "Rome")


def opinion(i: int, english: str, shares: list[float]) -> dict:
    return {"id": f"s{i}", "country": "X", "prompt": f"eigen {english}", "prompt_en": english, "label": shares}


def test_opinions_stand_beside_english_one_language_at_a_time(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files = {
        "de.jsonl": jsonl(opinion(0, "a", [0.1, 0.9]), opinion(1, "b", [0.5, 0.5, 0])),
        "fr.jsonl": jsonl(opinion(0, "b", [1.0, 0])),
        "it.jsonl": jsonl(opinion(0, "c", [1.0, 0])),
    }
    folder = put(tmp_path / "o", files)
    task = read_task(folder, languages=["de", "en"])
    assert task.prompts == {"deu_Latn": ("eigen a", "eigen b"), "eng_Latn": ("a", "b")}
    assert task.answers["eng_Latn"] == (("(B)",), ("(A)",))
    assert task.choices["eng_Latn"] == (("(A)", "(B)"), ("(A)", "(B)", "(C)"))
    with caplog.at_level(logging.INFO):
        assert len(read_task(folder, languages=["de", "fr"])) == 1
    assert "1 of 2 items of deu_Latn left out" in caplog.text
    with pytest.raises(ValueError, match="got no item that all of deu_Latn, ita_Latn have"):
        read_task(folder, languages=["de", "it"])
    with pytest.raises(ValueError, match="got questions that differ between languages"):
        read(folder)


BAD_TASKS = {
    "item": (
        {
            "en.jsonl": jsonl({"id": 1, "question": "q", "answer": "a"}),
            "de.jsonl": jsonl({"id": 2, "question": "q", "answer": "a"}),
        },
        {},
        r"deu_Latn.*eng_Latn has no item '2', which deu_Latn has at .*de.jsonl:1|eng_Latn.*has no item",
    ),
    "id twice": (
        {"en.jsonl": jsonl(*[{"id": 1, "question": "q", "answer": "a"}] * 2)},
        {},
        r"en.jsonl:2: got id '1', which is also at .*en.jsonl:1",
    ),
    "field": (
        {"en.jsonl": jsonl({"id": 1, "question": "q", "answer": "a"}, {"id": 2, "answer": "a"})},
        {},
        r"en.jsonl:2: got fields .*, expected 'question' among them",
    ),
    "template": (
        {"en.jsonl": jsonl({"id": 1, "question": "q", "answer": "a"})},
        {"template": "{premise}"},
        r"got fields .'id', 'question'.*, expected 'premise'",
    ),
    "no field": (
        {"en.jsonl": jsonl({"id": 1, "question": "q", "answer": "a"})},
        {"template": "Hello"},
        r"got template 'Hello' for eng_Latn",
    ),
    "language": (
        {"en.jsonl": jsonl({"id": 1, "question": "q", "answer": "a"})},
        {"template": {"de": "{question}"}},
        "no template for eng_Latn",
    ),
    "attribute": (
        {"en.jsonl": jsonl({"id": 1, "question": "q", "answer": "a"})},
        {"template": "{question.__class__}"},
        "got template '{question.__class__}' for eng_Latn",
    ),
    "candidate": (
        {"en.jsonl": jsonl({"id": 1, "prompt": "q", "answer": "z", "candidates": ["b"]})},
        {},
        "got answer 'z', expected one of",
    ),
    "label": (
        {"en.jsonl": jsonl({"id": 1, "premise": "q", "choice1": "a", "choice2": "b", "label": 3})},
        {},
        "got label 3, expected one of its options or their letter or number",
    ),
    "word": (
        {**XNLI, "templates.json": '{"en": {"template": "{premise}", "label_words": {"1": "x"}}, "de": {"template": "{premise}"}}'},
        {"languages": ["en"]},
        "got label '2', expected one of",
    ),
    "templates": ({**XNLI, "templates.json": '{"en": 3}'}, {}, "templates.json: got no template for eng_Latn"),
    "mask": (
        {"en.jsonl": jsonl({"id": 1, "prompt": "<mask> is", "answer": "a", "candidates": ["a"]})},
        {},
        "one <mask> with text before it",
    ),
    "shares": ({"en.jsonl": jsonl({**opinion(1, "a", [1]), "label": [1]})}, {}, "the share of each option"),
    "lines": ({"en.txt": "a\n"}, {}, "got lines of text, expected rows with questions"),
    "nothing": ({"en.jsonl": ""}, {}, "no item in eng_Latn"),
    "squad": ({"x.en.json": '{"data": [{"paragraphs": {}}]}'}, {}, r"paragraphs of data.0.: got \{\}, expected a JSON list"),
}


@pytest.mark.parametrize("fault", BAD_TASKS)
def test_a_faulty_task_says_where_and_what_to_do(tmp_path: Path, fault: str) -> None:
    files, settings, message = BAD_TASKS[fault]
    with pytest.raises(ValueError, match=message) as refused:
        read_task(put(tmp_path / "t", files), **settings)
    assert len(str(refused.value).splitlines()) == 1


def test_one_file_with_a_language_in_every_row(tmp_path: Path) -> None:
    rows = [{"language": code, "id": i, "premise": code, "hypothesis": "h", "label": i} for code in ("en", "zh") for i in (0, 1)]
    task = read_task(put(tmp_path / "x", {"xnli.jsonl": jsonl(*rows)}) / "xnli.jsonl", template="{premise}")
    assert task.prompts == {"eng_Latn": ("en", "en"), "zho_Hans": ("zh", "zh")}


TASKS = {
    "xquad": 12,
    "mgsm": 11,
    "xcopa": 11,
    "flagged/bmlama53": 42,
    "flagged/xnli_xtransplant": 13,
    "flagged/snli20": 20,
    "flagged/paws20": 20,
}


@SHARED
@pytest.mark.parametrize("name", TASKS)
def test_the_shared_tasks_load(name: str) -> None:
    task = read_task(DATA / name, limit=3)
    assert (len(task.languages), len(task)) == (TASKS[name], 3)
    for code in task.choices:
        assert all(answers[0] in choices for answers, choices in zip(task.answers[code], task.choices[code], strict=True))


def test_the_hypothesis_of_the_translated_multi_nli_is_in_the_prompt(tmp_path: Path) -> None:
    table = "premise\thypo\tlabel\nEin Satz.\tNoch einer.\tneutral\nZwei.\tDrei.\tentailment\n"
    task = read_task(put(tmp_path / "x", {"multinli.train.de.tsv": table}) / "multinli.train.de.tsv")
    assert task.prompts["deu_Latn"][0] == "Ein Satz.\nNoch einer.\n"


def test_a_text_that_the_default_prompt_leaves_out_is_told(tmp_path: Path) -> None:
    row = {"id": 1, "question": "Who was it?", "setting": "A dark night.", "answer": "the cook", "rationale": "They all said so."}
    task = read_task(put(tmp_path / "q", {"en.jsonl": jsonl(row)}))
    assert "not in the prompt: 'setting'; a template puts them in" in task.notes
    assert not any("not in the prompt" in note for note in read_task(tmp_path / "q", template="{setting} {question}").notes)


def test_mkqa_has_every_language_in_a_row(tmp_path: Path) -> None:
    answers = {
        "en": [{"type": "entity", "text": "Paris", "aliases": ["City of Paris"]}],
        "de": [{"type": "entity", "text": "Paris"}],
    }
    rows = [
        {"query": "capital", "queries": {"en": f"{n}?", "de": f"{n}, ja?"}, "answers": answers, "example_id": n} for n in (7, 9)
    ]
    task = read_task(put(tmp_path / "m", {"mkqa.jsonl": jsonl(*rows)}) / "mkqa.jsonl")
    assert (task.ids, task.prompts["deu_Latn"]) == (("7", "9"), ("7, ja?\n", "9, ja?\n"))
    assert (task.answers["eng_Latn"][0], task.answers["deu_Latn"][0]) == (("Paris", "City of Paris"), ("Paris",))


def test_the_release_of_xnli_is_read_as_questions_and_as_sentences(tmp_path: Path) -> None:
    labels = ("neutral", "contradiction", "entailment")
    lines = [
        f"{code}\t{label}\t({code} a)\t{code} a\t{code} {n}\t1\t{n}" for code in ("en", "de") for n, label in enumerate(labels)
    ]
    header = "language\tgold_label\tsentence1_parse\tsentence1\tsentence2\tpromptID\tpairID"
    path = put(tmp_path / "x", {"xnli.test.tsv": "\n".join([header, *lines]) + "\n"}) / "xnli.test.tsv"
    task = read_task(path)
    assert (task.prompts["deu_Latn"][2], task.answers["deu_Latn"][2], task.ids) == (
        "de a\nde 2\n",
        ("entailment",),
        ("0", "1", "2"),
    )
    assert read(path, columns={"text": "sentence2"})["en"] == ("en 0", "en 1", "en 2")


def test_the_options_of_cultural_bench_are_options(tmp_path: Path) -> None:
    table = "data_idx,prompt_question,prompt_option_a,prompt_option_b,answer,country\n0,Which?,tea,beer,B,Italy\n"
    task = read_task(put(tmp_path / "c", {"en.csv": table}) / "en.csv")
    assert (task.prompts["eng_Latn"], task.choices["eng_Latn"], task.answers["eng_Latn"]) == (
        ("Which?\n",),
        (("tea", "beer"),),
        (("beer",),),
    )
