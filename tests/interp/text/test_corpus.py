"""Parallel text is equally long in every language, keeps its rows together, and is known by its content."""

import copy
import pickle

import pytest

from interp.text.corpus import ParallelCorpus, ParallelTask

TEXT = {"en": ("one", "two", "three", "four"), "de": ("eins", "zwei", "drei", "vier"), "zh": ("一", "二", "三", "四")}


@pytest.fixture
def corpus() -> ParallelCorpus:
    return ParallelCorpus("numbers", TEXT, ids=("a", "b", "c", "d"), documents=("x", "x", "y", "y"), labels={"odd": tuple("1010")})


@pytest.fixture
def task() -> ParallelTask:
    prompts = {"en": ("2+2?", "3+3?"), "de": ("2 plus 2?", "3 plus 3?")}
    answers = {"en": (("4", "four"), ("6",)), "de": (("4", "vier"), ("6",))}
    choices = {"en": (("4", "5"), ("6", "7")), "de": (("4", "5"), ("6", "7"))}
    return ParallelTask("sums", prompts, answers, choices, labels={"hard": ("no", "yes")})


def test_any_spelling_finds_the_same_sentences(corpus: ParallelCorpus) -> None:
    assert corpus.languages == ("eng_Latn", "deu_Latn", "zho_Hans")
    assert corpus["Chinese"] == corpus["zh-CN"] == corpus["zho_Hans"] == TEXT["zh"]


def test_identity_is_of_the_content_not_of_the_file_or_the_order_of_languages(corpus: ParallelCorpus) -> None:
    backwards = ParallelCorpus("other", dict(reversed(TEXT.items())), ids=corpus.ids)
    assert backwards.identity.sha == corpus.identity.sha
    changed = ParallelCorpus("numbers", {**TEXT, "de": ("eins", "zwei", "drei", "fier")}, ids=corpus.ids)
    assert changed.identity.sha != corpus.identity.sha
    assert ParallelCorpus("numbers", TEXT).identity.sha != corpus.identity.sha
    moved = ParallelCorpus("numbers", {"en": ("a, b", "c"), "de": ("d", "e")}).identity.sha
    assert moved != ParallelCorpus("numbers", {"en": ("a", "b, c"), "de": ("d", "e")}).identity.sha


def test_selection_keeps_ids_documents_labels_and_languages_together(corpus: ParallelCorpus) -> None:
    part = corpus.select(languages=["zh", "en"], limit=2, seed=3)
    rows = [corpus.ids.index(i) for i in part.ids]
    assert len(part) == 2
    assert rows == sorted(rows)
    assert part.sentences == {"zho_Hans": tuple(TEXT["zh"][r] for r in rows), "eng_Latn": tuple(TEXT["en"][r] for r in rows)}
    assert part.documents == tuple("xxyy"[r] for r in rows)
    assert part.labels["odd"] == tuple("1010"[r] for r in rows)
    assert corpus.select(limit=2).ids == ("a", "b")
    assert corpus.select(limit=99) == corpus
    assert {corpus.select(limit=2, seed=s).ids for s in range(20)} > {("a", "b")}


def test_a_task_selects_prompts_answers_and_choices_together(task: ParallelTask) -> None:
    last = task.select(languages=["German"], limit=1, seed=4)
    row = int(last.ids[0])
    assert last.prompts == {"deu_Latn": (task.prompts["deu_Latn"][row],)}
    assert last.answers["deu_Latn"][0][0] == last.choices["deu_Latn"][0][0] == ("4", "6")[row]
    assert last.labels["hard"] == (("no", "yes")[row],)


def test_both_travel_to_another_process_and_stay_equal(corpus: ParallelCorpus, task: ParallelTask) -> None:
    for data in (corpus, task):
        assert pickle.loads(pickle.dumps(data)) == data == copy.deepcopy(data)
        assert pickle.loads(pickle.dumps(data)).identity == data.identity


def test_neither_can_be_changed(corpus: ParallelCorpus) -> None:
    with pytest.raises(TypeError):
        corpus.sentences["eng_Latn"] = ("x",) * 4
    with pytest.raises(AttributeError):
        corpus.name = "y"


@pytest.mark.parametrize(
    ("fault", "message"),
    [
        (lambda: ParallelCorpus("c", {}), "'c': got no language"),
        (lambda: ParallelCorpus("c", {"en": (), "de": ()}), "'c': got no item"),
        (lambda: ParallelCorpus("c", {"en": ("a", "b"), "de": ("a",)}), "2 sentences in eng_Latn but 1 in deu_Latn"),
        (lambda: ParallelCorpus("c", {"en": ("a", "b")}, ids=("1",)), "1 ids but 2 in eng_Latn"),
        (lambda: ParallelCorpus("c", {"en": ("a", "b")}, ids=("1", "1")), "got id '1' twice"),
        (
            lambda: ParallelCorpus("c", {"en": ("a", " \t")}, ids=("p", "q")),
            "got an empty text for item 'q' of sentences in eng_Latn",
        ),
        (lambda: ParallelCorpus("c", {"en": ("a",), "English": ("b",)}), "both mean eng_Latn"),
        (lambda: ParallelCorpus("c", {"en": ("a",)}, documents=()), "got 0 values of 'documents' for 1 items"),
        (lambda: ParallelCorpus("c", {"en": ("a",)}, labels={"topic": ("x", "y")}), "got 2 values of 'topic' for 1 items"),
        (lambda: ParallelCorpus("c", {"en": ("a",)}).select(limit=0), "got limit 0, expected at least 1"),
        (lambda: ParallelCorpus("c", {"en": ("a",)})["de"], "has no deu_Latn .German.; it has eng_Latn"),
        (lambda: ParallelTask("t", {"en": ("q",)}, {}), "answers in .. but prompts in"),
        (lambda: ParallelTask("t", {"en": ("q",)}, {"en": ()}), "task 't': got 1 ids but 0 in eng_Latn"),
        (lambda: ParallelTask("t", {"en": ("",)}, {"en": (("yes",),)}), "got an empty text for item '0' of prompts in eng_Latn"),
    ],
)
def test_what_is_not_parallel_is_refused(fault, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        fault()


def test_finding_a_repeated_id_among_many_takes_no_time() -> None:
    n = 60_000
    with pytest.raises(ValueError, match="got id '59998' twice"):
        ParallelCorpus("c", {"en": ("x",) * n}, ids=(*map(str, range(n - 1)), "59998"))
