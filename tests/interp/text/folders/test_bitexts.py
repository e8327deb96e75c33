"""A pair of languages is read from its own two files and its own split, and a header is no pair of sentences."""

from pathlib import Path

import pytest

from interp.text.read import read
from tests.support.texts import put

MOSES = {f"{split}.de-en.{code}": f"{split} {code}\n" for split in ("train", "test") for code in ("de", "en")}


def test_the_split_chooses_between_the_pairs_of_a_folder(tmp_path: Path) -> None:
    folder = put(tmp_path / "m", MOSES)
    assert read(folder, split="test").sentences == {"deu_Latn": ("test de",), "eng_Latn": ("test en",)}
    assert read(folder, split="train", languages=["en", "de"]).sentences == {"eng_Latn": ("train en",), "deu_Latn": ("train de",)}
    with pytest.raises(ValueError, match=r"expected a split, one of 'test', 'train'. Choose it with split="):
        read(folder)
    with pytest.raises(ValueError, match=r"got split 'dev', expected 'test', 'train'"):
        read(folder, split="dev")
    put(tmp_path / "outer", {})
    put(tmp_path / "outer" / "de-en", {f"{split}.{code}": f"{code}\n" for split in ("train", "test") for code in ("de", "en")})
    assert read(tmp_path / "outer", split="test").origins == {"deu_Latn": "test.de", "eng_Latn": "test.en"}


@pytest.mark.parametrize("name", ["train.tok", "train.tok.clean", "corpus.tc", "JW300.en-de.tok", "train.bpe"])
def test_what_was_done_to_a_text_is_no_language_of_its_name(tmp_path: Path, name: str) -> None:
    corpus = read(put(tmp_path / "m", {f"{name}.{code}": f"{code} text\n" for code in ("de", "en")}))
    assert corpus.sentences == {"deu_Latn": ("de text",), "eng_Latn": ("en text",)}


def test_the_halves_of_two_splits_are_never_paired(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"test.de-en.en: got only one half of a pair of files, expected another .* in deu_Latn"):
        read(put(tmp_path / "m", {name: MOSES[name] for name in ("train.de-en.de", "test.de-en.en")}))
    other = {name: MOSES[name] for name in MOSES if name != "test.de-en.de"}
    folder = put(tmp_path / "o", other | {"dev.de-fr.de": "x\n"})
    with pytest.raises(ValueError, match="got only one half of a pair"):
        read(folder, split="test")
    corpus = read(folder, languages=["de", "en"], split="train")
    assert corpus.notes == ("dev.de-fr.de, test.de-en.en: left out: its other half is missing",)


def test_a_split_that_has_only_one_language_is_never_left_out_unsaid(tmp_path: Path) -> None:
    for names in (("train.de", "train.en", "test.en"), ("train.de", "test.en")):
        folder = put(tmp_path / str(len(names)), {name: f"{name}\n" for name in names} | {"run.sh": "echo\n"})
        with pytest.raises(ValueError, match=r"got several corpora.*split= chooses one of 'test', 'train'"):
            read(folder)
        assert read(folder, split="train")["de"] == ("train.de",)


def test_two_tables_of_one_pair_are_two_texts(tmp_path: Path) -> None:
    folder = put(tmp_path / "t", {"en-de.tsv": "a.\tb.\n", "de-en.tsv": "c.\td.\n"})
    with pytest.raises(ValueError, match=r"got de-en.tsv and en-de.tsv, expected one text. Give one file"):
        read(folder)
    splits = put(tmp_path / "s", {"train.en-de.tsv": "a.\tb.\n", "test.en-de.csv": "en,de\nc.,d.\n"})
    assert read(splits, split="test").sentences == {"eng_Latn": ("c.",), "deu_Latn": ("d.",)}
    with pytest.raises(ValueError, match="expected a split, one of 'test', 'train'"):
        read(splits)


HEADERS = (
    "source_text target_text", "source target", "sentence1 sentence2", "original translation", "en de", "text_a text_b", "0 1",
    "col1 col2", "sourceText targetText", "src ref", "Englisch Deutsch", "eng_Latn deu_Latn", "L1_text L2_text",
)  # fmt: skip


@pytest.mark.parametrize("names", [*HEADERS, "English_sentence German_sentence", "English text|German text"])
def test_the_header_of_a_pair_is_no_pair_of_sentences(tmp_path: Path, names: str) -> None:
    head = "\t".join(names.split("|") if "|" in names else names.split())
    corpus = read(put(tmp_path / "t", {"en-de.tsv": f"{head}\nHello there.\tHallo du.\n"}) / "en-de.tsv")
    assert corpus.sentences == {"eng_Latn": ("Hello there.",), "deu_Latn": ("Hallo du.",)}
    assert corpus.notes[0] == f"en-de.tsv: the first row is a header: {', '.join(head.split(chr(9)))}"


@pytest.mark.parametrize(
    "first", ["Hello there.\tHallo du.", "German\tDeutsch", "cat\tKatze", "7\t7", "text\tText", "source code\tQuelltext"]
)
def test_a_first_pair_of_sentences_or_words_is_one(tmp_path: Path, first: str) -> None:
    corpus = read(put(tmp_path / "t", {"en-de.tsv": f"{first}\nBye.\tTschüs.\n"}) / "en-de.tsv")
    assert corpus.sentences == {"eng_Latn": (first.split("\t")[0], "Bye."), "deu_Latn": (first.split("\t")[1], "Tschüs.")}


def test_a_table_without_a_header_is_read_by_its_name_and_else_refused(tmp_path: Path) -> None:
    folder = put(
        tmp_path / "t", {"en-de.csv": "Hello you.,Hallo du.\nBye.,Tschüs.\n", "all.csv": "Hello you.,Hallo du.\nBye.,Tschüs.\n"}
    )
    assert read(folder / "en-de.csv").sentences == {"eng_Latn": ("Hello you.", "Bye."), "deu_Latn": ("Hallo du.", "Tschüs.")}
    with pytest.raises(ValueError, match=r"got a first row \['Hello you.', .* text.* by number.*--columns english=1 german=2"):
        read(folder / "all.csv")


@pytest.mark.parametrize("first", ["word\tWort", "en_clean\tde_clean", "source\tQuelle", "English\tFrench"])
def test_a_first_row_that_may_be_either_is_refused_with_what_settles_it(tmp_path: Path, first: str) -> None:
    path = put(tmp_path / "t", {"en-de.tsv": f"{first}\nBye.\tTschüs.\n"}) / "en-de.tsv"
    with pytest.raises(ValueError, match=r"en-de.tsv:1: got a first row .* Write a header above it, eng_Latn and deu_Latn"):
        read(path)
    put(tmp_path / "t", {"en-de.tsv": f"eng_Latn\tdeu_Latn\n{first}\nBye.\tTschüs.\n"})
    assert len(read(path)) == 2


def test_a_split_is_that_of_the_rows_or_of_the_name_and_nothing_else(tmp_path: Path) -> None:
    rows = "Split,en,de\ntrain,a,b\ntest,c,d\n"
    folder = put(tmp_path / "t", {"t.csv": rows, "heldout.csv": "en,de\na,b\n", "m.tmx": TMX, "en.txt": "a\n"})
    assert read(folder / "t.csv", split="TEST").sentences == read(folder / "t.csv", split="test").sentences
    assert read(folder / "t.csv", split="test").sentences == {"eng_Latn": ("c",), "deu_Latn": ("d",)}
    with pytest.raises(ValueError, match=r"t.csv: got split 'dev', expected one of 'train', 'test'"):
        read(folder / "t.csv", split="dev")
    assert read(folder / "heldout.csv", split="heldout")["en"] == ("a",)
    for name in ("heldout.csv", "m.tmx", "en.txt"):
        with pytest.raises(ValueError, match=rf"{name}: got split 'test', expected none"):
            read(folder / name, split="test")


TMX = (
    '<tmx version="1.4"><header/><body>'
    '<tu tuid="{}"><tuv xml:lang="en"><seg>a</seg></tuv><tuv xml:lang="de"><seg>b</seg></tuv></tu>'
    '<tu><tuv xml:lang="en"><seg>c</seg></tuv><tuv xml:lang="de"><seg>d</seg></tuv></tu>'
    '<tu tuid="{}"><tuv xml:lang="en"><seg>e</seg></tuv><tuv xml:lang="de"><seg>f</seg></tuv></tu></body></tmx>'
)


@pytest.mark.parametrize(
    ("one", "other", "ids"), [("x", "y", ("x", "1", "y")), ("1", "y", ("0", "1", "2")), ("x", "x", ("0", "1", "2"))]
)
def test_units_whose_ids_are_not_all_different_have_the_ids_of_their_places(tmp_path: Path, one: str, other: str, ids) -> None:
    corpus = read(put(tmp_path / "t", {"m.tmx": TMX.format(one, other)}) / "m.tmx")
    assert (corpus["en"], corpus.ids) == (("a", "c", "e"), ids)
    assert bool(corpus.notes) == (ids[0] == "0")
