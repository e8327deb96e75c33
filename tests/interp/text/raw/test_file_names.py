"""Files are languages and parts of one corpus by their names; none is left out unsaid, and none is paired with another's text."""

import gzip
from pathlib import Path

import pytest

from interp.text.raw.file_names import language_code
from interp.text.read import read, read_task
from tests.support.texts import jsonl, put


def test_of_regional_variants_the_plain_one_is_taken_or_the_one_named(tmp_path: Path) -> None:
    names = (
        "t-src.eng",
        "t-ref.eng-GB",
        "t-ref.eng-US",
        "t-ref.fra",
        "t-ref.fra-CA",
        "t-ref.srp-Cyrl",
        "t-ref.srp-Latn",
        "t-ref.zho-TW",
    )
    folder = put(tmp_path / "n", {f"{name}.txt": f"{name}\n" for name in names})
    assert {code: own[0] for code, own in read(folder).sentences.items()} == {
        "eng_Latn": "t-src.eng", "fra_Latn": "t-ref.fra", "srp_Cyrl": "t-ref.srp-Cyrl", "srp_Latn": "t-ref.srp-Latn",
        "zho_Hant": "t-ref.zho-TW",
    }  # fmt: skip
    assert read(folder, languages=["fr-CA", "en-US"]).sentences == {"fra_Latn": ("t-ref.fra-CA",), "eng_Latn": ("t-ref.eng-US",)}
    corpus = read(folder, languages=["fr"], columns={"fr": "fra-CA"})
    assert (corpus["fr"], corpus.notes) == (("t-ref.fra-CA",), ("fra was left out: fra_Latn is fra-CA",))
    with pytest.raises(ValueError, match="got 'fra-BE' for fra_Latn, expected one of fra-CA, fra"):
        read(folder, languages=["fr"], columns={"fr": "fra-BE"})
    put(tmp_path, {"DOCUMENT_IDS.tsv": "abc.1\n"})
    assert read(folder).documents == ("abc.1",)
    put(tmp_path, {"DOCUMENT_IDS.tsv": "abc.1\nabc.2\n"})
    assert read(folder).documents is None


def test_files_may_lie_in_a_folder_for_each_language_or_end_with_it(tmp_path: Path) -> None:
    folder = put(tmp_path / "paws", {})
    for code in ("en", "de"):
        put(folder / code, {f"{split}.tsv": f"index_id\ttext\n1\t{split} {code}\n" for split in ("test", "dev")})
    assert read(folder, split="test").sentences == {"deu_Latn": ("test de",), "eng_Latn": ("test en",)}
    with pytest.raises(ValueError, match=r"got several corpora, expected .* one of 'de', 'dev', 'en', 'test'"):
        read(folder)
    moses = put(tmp_path / "moses", {"train.en": "a\n", "train.de": "b\n", "run.sh": "echo\n", "LICENSE": "x"})
    assert read(moses).sentences == {"deu_Latn": ("b",), "eng_Latn": ("a",)}


def test_hidden_files_are_passed_over_and_a_folder_named_like_a_language_is_not(tmp_path: Path) -> None:
    folder = put(
        tmp_path / "f",
        {"eng_Latn.txt": "a\n", "deu_Latn.txt.gz": gzip.compress(b"b\n"), "._fra_Latn.txt": b"\xff", ".DS_Store": b"\0"},
    )
    put(folder / "__MACOSX", {"eng_Latn.txt": "z\n"})
    assert read(folder).sentences == {"deu_Latn": ("b",), "eng_Latn": ("a",)}
    (folder / "ita_Latn.txt").mkdir()
    with pytest.raises(ValueError, match=r"ita_Latn.txt: got a folder, expected a regular file"):
        read(folder)
    assert read(folder, languages=["en"]).languages == ("eng_Latn",)
    put(tmp_path / "outer", {})
    put(tmp_path / "outer" / "inner", {"en.txt": "a\n", "de.txt": "b\n"})
    assert read(tmp_path / "outer").name == "outer/inner"


def test_a_line_too_many_is_found_by_the_lengths_of_lines(tmp_path: Path) -> None:
    lengths = [10, 80, 30, 60, 20, 90]
    english = "".join("x" * n + "\n" for n in lengths)
    german = "".join("y" * n + "\n" for n in [*lengths[:3], 45, *lengths[3:]])
    folder = put(tmp_path / "f", {"en.txt": english, "fr.txt": english, "de.txt": german})
    with pytest.raises(
        ValueError, match=r"6 sentences in eng_Latn but 7 in deu_Latn.*line 7 of deu_Latn is extra. They seem to part near line 4"
    ):
        read(folder)


def test_the_files_of_ntrex_are_read_rare_languages_and_second_translations_too(tmp_path: Path) -> None:
    rare = ("div", "fuc", "hmn", "mey", "nde", "tah", "ton", "ven")
    names = ["newstest2019-src.eng", "newstest2019-ref-2.spa", *(f"newstest2019-ref.{code}" for code in ("deu", "spa", *rare))]
    folder = put(tmp_path / "n", {f"{name}.txt": f"{name}\n" for name in names})
    corpus = read(folder)
    assert {code[:3] for code in corpus.languages} == {"eng", "deu", "spa", *rare}
    assert corpus["es"] == ("newstest2019-ref.spa",)
    assert corpus.notes == ("newstest2019-ref-2.spa.txt was left out: it is a second translation into spa_Latn",)


@pytest.mark.parametrize("name", ["fra_Latn.clean.txt", "news.fra_Latn.txt", "fra_Latn", "fra_Latn.txt.bz2", "news.fra_Latn"])
def test_a_file_of_a_language_that_is_left_out_is_noted(tmp_path: Path, name: str) -> None:
    folder = put(tmp_path / "f", {"eng_Latn.txt": "a\n", "deu_Latn.txt": "b\n", name: "c\n", "README.md": "d", "run.sh": "e"})
    assert read(folder).notes == (f"{name}: left out: its name is not like deu_Latn.txt",)
    assert read(folder, languages=["de"]).notes == ()


def test_the_variety_that_a_file_name_gives_is_noted(tmp_path: Path) -> None:
    rows = jsonl({"id": 1, "text": "a"})
    folder = put(tmp_path / "f", {"apc_Arab_nort3139.jsonl": rows, "arb_Arab.jsonl": rows})
    corpus = read(folder)
    assert corpus.languages == ("apc_Arab", "arb_Arab")
    assert corpus.origins["apc_Arab"].startswith("apc_Arab_nort3139.jsonl")
    put(folder, {"apc_Arab_sout3123.jsonl": rows})
    with pytest.raises(ValueError, match=r"two files of apc_Arab.*--columns apc_Arab=apc_Arab_nort3139"):
        read(folder)
    assert read(folder, columns={"apc_Arab": "apc_Arab_sout3123"}).origins["apc_Arab"].startswith("apc_Arab_sout3123")


def test_a_row_that_says_another_language_than_its_file_is_refused(tmp_path: Path) -> None:
    rows = {code: jsonl({"id": 1, "lang": code, "question": "q", "answer": "a", "text": code}) for code in ("de", "en", "arz")}
    folder = put(tmp_path / "f", {"en.jsonl": rows["de"], "de.jsonl": rows["de"]})
    for reads in (lambda: read(folder), lambda: read_task(folder), lambda: read(folder / "en.jsonl")):
        with pytest.raises(ValueError, match=r"en.jsonl:1: got a row in 'de' .deu_Latn., expected eng_Latn as the file is named"):
            reads()
    near = put(tmp_path / "n", {"en.jsonl": rows["en"], "ar.jsonl": rows["arz"]})
    assert read(near).languages == ("arb_Arab", "eng_Latn")


def test_files_in_folders_of_languages_are_told_by_their_folder_and_none_is_left_out_unsaid(tmp_path: Path) -> None:
    folder = put(tmp_path / "f", {"README.md": "x"})
    for code, name in (("en", "test.txt"), ("de", "test.txt"), ("fr", "other.txt"), ("it", "test.dat")):
        put(folder / code, {name: f"{code}\n"})
    corpus = read(folder, split="test")
    assert corpus.origins == {"deu_Latn": "de/test.txt", "eng_Latn": "en/test.txt"}
    assert "fr/other.txt: left out: its name is not like de/test.txt" in corpus.notes
    assert any(note.startswith("fr/, it/: left out: a folder beside") for note in corpus.notes)
    assert read(folder, split="test", languages=["en", "de"]).notes == ()


def test_a_folder_of_one_table_is_refused_with_the_file_to_give(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"no file named after a language.* Give the file itself: .*all.tsv.$"):
        read(put(tmp_path / "f", {"all.tsv": "en\tde\na\tb\n", "README.md": "x"}))


def test_folders_and_tables_beside_the_files_that_are_read_are_told(tmp_path: Path) -> None:
    folder = put(tmp_path / "f", {"en.txt": "a\n", "de.txt": "b\n", "en-de.tsv": "a\tb\n"})
    put(folder / "dev", {"en.txt": "c\n", "de.txt": "d\n"})
    put(folder / "pictures", {"x.png": "c\n"})
    assert read(folder).notes == (
        "en-de.tsv: left out: its name is not like de.txt", "dev/: left out: a folder beside the files that were read",
    )  # fmt: skip
    outer = put(tmp_path / "o", {"all.tsv": "en\tde\na\tb\n", "meta.tsv": "x\n"})
    put(outer / "in", {"en.txt": "a\n", "de.txt": "b\n"})
    assert read(outer).notes == ("all.tsv: left out: the folder in beside it was read",)


def test_rows_in_several_formats_are_one_corpus_where_each_language_is_in_one(tmp_path: Path) -> None:
    folder = put(
        tmp_path / "f", {"en.csv": "id,text\n1,a\n2,b\n", "deu.jsonl": jsonl({"id": 2, "text": "B"}, {"id": 1, "text": "A"})}
    )
    corpus = read(folder)
    assert corpus.sentences == {"deu_Latn": ("B", "A"), "eng_Latn": ("b", "a")}
    assert "files of csv, jsonl are read together: no language is in two of them" in corpus.notes
    put(folder, {"en.jsonl": jsonl({"id": 1, "text": "a"})})
    with pytest.raises(ValueError, match=r"got several corpora.*split= chooses one of 'csv', 'jsonl'"):
        read(folder)


def test_the_names_of_xcopa_xl_sum_and_mlqa_are_read(tmp_path: Path) -> None:
    xcopa = put(tmp_path / "xcopa", {})
    for code in ("et", "it"):
        row = {"premise": f"p {code}", "choice1": "a", "choice2": "b", "question": "cause", "label": 1, "idx": 0}
        put(xcopa / code, {f"{split}.{code}.jsonl": jsonl(row) for split in ("test", "val")})
    assert read(xcopa, split="test").sentences == {"est_Latn": ("p et",), "ita_Latn": ("p it",)}
    assert read_task(xcopa, split="val").answers == {"est_Latn": (("b",),), "ita_Latn": (("b",),)}
    names = {
        "english": "eng_Latn",
        "chinese_simplified": "zho_Hans",
        "chinese_traditional": "zho_Hant",
        "serbian_latin": "srp_Latn",
    }
    rows = jsonl({"id": 1, "text": "a"})
    assert set(read(put(tmp_path / "x", {f"{name}.jsonl": rows for name in names})).languages) == set(names.values())
    splits = put(tmp_path / "s", {f"{name}_{split}.jsonl": rows for name in names for split in ("train", "val")})
    assert set(read(splits, split="val").languages) == set(names.values())
    context = {f"test-context-{code}-question-{code}.jsonl": jsonl({"id": 1, "question": code}) for code in ("de", "en")}
    assert read(put(tmp_path / "m", context)).sentences == {"deu_Latn": ("de",), "eng_Latn": ("en",)}


@pytest.mark.parametrize("name", ["it.{}", "kde.sh.{}", "corpus.tok.sh.{}", "is.no.{}"])
def test_files_of_one_name_that_end_with_languages_are_theirs_whatever_the_name(tmp_path: Path, name: str) -> None:
    folder = put(tmp_path / "f", {name.format("en"): "one\n", name.format("de"): "eins\n"})
    assert read(folder).sentences == {"deu_Latn": ("eins",), "eng_Latn": ("one",)}


def test_names_of_two_languages_are_no_text_of_one(tmp_path: Path) -> None:
    for name in ("en.de", "en_de.txt", "tr_de.txt", "news_en_de.txt"):
        with pytest.raises(ValueError, match=r"no file named after a language|may be two languages|no language|got \.de"):
            read(put(tmp_path / name, {name: "one\n"}) / name)


@pytest.mark.parametrize(("name", "code"), [("mt_de.txt", "deu_Latn"), ("mt.de.txt", "deu_Latn"), ("mlt.txt", "mlt_Latn")])
def test_a_machine_translation_is_no_maltese_and_is_told(tmp_path: Path, name: str, code: str) -> None:
    corpus = read(put(tmp_path / "f", {name: "eins\n"}) / name)
    assert corpus.languages == (code,)
    assert bool(corpus.notes) == name.startswith("mt")


@pytest.mark.parametrize(
    ("name", "code"), [("pt_br", "por_Latn"), ("sv_fi", "swe_Latn"), ("en_ca", "eng_Latn"), ("zh_tw", "zho_Hant")]
)
def test_a_region_in_small_letters_is_one(name: str, code: str) -> None:
    assert language_code(name) == code


def test_a_file_is_chosen_by_its_name(tmp_path: Path) -> None:
    folder = put(tmp_path / "f", {"en.txt": "one\n", "eng.txt": "two\n", "de.txt": "eins\n"})
    with pytest.raises(ValueError, match=r"--columns eng_Latn=en\.txt"):
        read(folder)
    for name in ("en.txt", "eng.txt"):
        assert read(folder, columns={"en": name})["en"] == ("one" if name == "en.txt" else "two",)


def test_the_files_of_mmmlu_are_named_after_languages_and_regions(tmp_path: Path) -> None:
    names = {f"mmlu_{tag}.csv": "id,text\n1,x\n" for tag in ("AR-XY", "DE-DE", "ES-LA", "PT-BR", "ZH-CN")}
    assert set(read(put(tmp_path / "f", names)).languages) == {"arb_Arab", "deu_Latn", "spa_Latn", "por_Latn", "zho_Hans"}


def test_a_split_that_no_file_names_is_no_advice(tmp_path: Path) -> None:
    with pytest.raises(
        ValueError, match=r"and 'dev', expected one file per language, such as eng_Latn\.txt\. Leave the split 'dev' out"
    ):
        read(put(tmp_path / "f", {"en.txt": "one\n", "de.txt": "eins\n"}), split="dev")


def test_a_folder_of_tables_is_answered_with_their_names(tmp_path: Path) -> None:
    folder = put(
        tmp_path / "f", {"xnli.dev.tsv": "language\tsentence1\nen\tone\n", "xnli.test.tsv": "language\tsentence1\nen\tone\n"}
    )
    with pytest.raises(ValueError, match=r"Give one of its files: .*xnli\.dev\.tsv, .*xnli\.test\.tsv"):
        read(folder)
    assert read(folder, split="test").sentences == {"eng_Latn": ("one",)}
