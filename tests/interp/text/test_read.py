"""CLDR needs no file, and the shared corpora load."""

import pytest

from interp.text.read import read, read_task
from tests.support.shared import DATA


def test_cldr_needs_no_file() -> None:
    names = read("cldr:names", languages=["de", "zh"], limit=20)
    assert (len(names), names.languages) == (20, ("deu_Latn", "zho_Hans"))
    task = read_task("cldr:facts", languages=["de", "en"], limit=3)
    facts = read("cldr:facts", languages=["de", "en"], limit=3)
    assert facts["de"][0] == task.prompts["deu_Latn"][0] + task.answers["deu_Latn"][0][0]
    with pytest.raises(ValueError, match="got cldr:names, which has no questions"):
        read_task("cldr:names")
    with pytest.raises(ValueError, match=r"got cldr:nonsense, expected one of cldr:names"):
        read("cldr:nonsense")


SHARED = pytest.mark.skipif(not DATA.exists(), reason="shared data not here")
CORPORA = {
    "flores200": (None, 62),
    "pud": (None, 17),
    "udhr": (None, 132),
    "mgsm": (None, 11),
    "xcopa": (None, 11),
    "xquad": ("questions", 12),
    "cldr_names": ("emoji", 78),
    "flagged/snli20": (None, 20),
}


@SHARED
@pytest.mark.parametrize("name", CORPORA)
def test_the_shared_corpora_load(name: str) -> None:
    split, languages = CORPORA[name]
    corpus = read(DATA / name, split=split, limit=5)
    assert (len(corpus.languages), len(corpus)) == (languages, 5)


@SHARED
def test_flores_keeps_its_documents() -> None:
    corpus = read(DATA / "flores200", languages=["en", "zh"])
    raw = (DATA / "flores200" / "zho_Hans.txt").read_bytes().decode()
    assert "".join(f"{line}\n" for line in corpus["zh"]) == raw
    assert len(set(corpus.documents)) == 139
    assert set(corpus.labels["domain"]) >= {"wikinews"}
