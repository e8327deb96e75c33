"""A function of one's own is found by its name, and what is wrong with it is said before a model runs."""

from __future__ import annotations

import importlib
import sys
from importlib import metadata

import pytest

import interp
from interp.own_code import declared, names_code, own_code
from interp.text.corpus import ParallelCorpus, ParallelTask

GROUP = "interp.text_metrics"
MODULE = """
def length(hypotheses, references, sources, language):
    return [float(len(said)) for said in hypotheses]

number = 5
"""


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A working directory with a module, which Python does not look into by itself."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry not in ("", str(tmp_path))])
    (tmp_path / "my_scores.py").write_text(MODULE, encoding="utf-8")
    importlib.invalidate_caches()
    yield tmp_path
    sys.modules.pop("my_scores", None)


def test_code_is_told_from_texts_and_paths():
    assert names_code("my_scores:length")
    assert names_code("package.my_scores:length")
    assert names_code("tools/my_scores.py:length")
    for name in ("cldr:names", "hub:org/name", "org/name:config", "exact", "a b:c", "C:\\text", "m:f:g", "1a:b", "", 5, None):
        assert not names_code(name), name


def test_a_module_of_the_working_directory_and_a_file_are_found_and_known_by_their_source(here):
    before = list(sys.path)
    own, file = own_code("my_scores:length", GROUP), own_code("./my_scores.py:length", GROUP)
    assert own is not None
    assert file is not None
    assert own.name == "my_scores:length"
    assert own.call(["ab"], [], [], "deu_Latn") == file.call(["ab"], [], [], "deu_Latn") == [2.0]
    assert own.sha == file.sha
    assert str(own) == f"my_scores:length@{own.sha[:8]}"
    assert sys.path == before
    (here / "other.py").write_text(MODULE + "\n# changed\n", encoding="utf-8")
    other = own_code("other.py:length", GROUP)
    assert other is not None
    assert other.sha != own.sha


def test_a_function_is_known_by_module_and_name():
    own = own_code(test_code_is_told_from_texts_and_paths, GROUP)
    assert own is not None
    assert own.name == f"{__name__}:test_code_is_told_from_texts_and_paths"
    scope: dict[str, object] = {}
    exec("def f(): return 1\ndef g(): return 2", scope)
    one, two = (own_code(scope[name], GROUP) for name in "fg")  # type: ignore[arg-type]
    assert one is not None
    assert two is not None
    assert one.sha != two.sha


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("no_such_module:f", r"no_such_module cannot be imported \(ModuleNotFoundError.*expected a module that is installed or in"),
        ("no_such.py:f", r"no_such.py cannot be imported \(FileNotFoundError: no such file\), expected a file"),
        ("my_scores:lenght", r"the module has no lenght. Did you mean length\?"),
        ("my_scores:number", "got a int, expected a function"),
        ("broken:f", r"broken cannot be imported \(SyntaxError"),
        ("leaves:f", r"leaves cannot be imported \(SystemExit"),
    ],
)
def test_what_cannot_be_used_is_named(here, name, words):
    (here / "broken.py").write_text("def f(:\n", encoding="utf-8")
    (here / "leaves.py").write_text("raise SystemExit(3)\n", encoding="utf-8")
    with pytest.raises(ValueError, match=words):
        own_code(name, GROUP)


def test_an_installed_package_declares_names(here, monkeypatch):
    entries = metadata.EntryPoints([
        metadata.EntryPoint("length", "my_scores:length", GROUP), metadata.EntryPoint("gone", "my_scores:gone", GROUP),
    ])  # fmt: skip
    monkeypatch.setattr(metadata, "entry_points", lambda **how: entries.select(**how))
    monkeypatch.syspath_prepend(here)
    own = own_code("length", GROUP)
    assert own is not None
    assert own.name == "my_scores:length"
    assert declared(GROUP) == ("gone", "length")
    assert own_code("length", "interp.readers") is None
    with pytest.raises(ValueError, match=r"entry point my_scores:gone of interp\.text_metrics cannot be loaded"):
        own_code("gone", GROUP)


def _reader(languages, split):
    return {"en": ["cat", "dog"], "deu_Latn": ["Katze", "Hund"], "fra_Latn": [f"chat {split}", "chien"]}


def _task(languages, split):
    return ParallelTask("mine", {"eng_Latn": ("2+2=", "1+1=")}, {"eng_Latn": (("4",), ("2",))})


def test_a_reader_of_ones_own_gives_the_languages_asked_for():
    corpus = interp.read(_reader, languages=["French", "en"], split="dev", limit=1)
    assert isinstance(corpus, ParallelCorpus)
    assert corpus.languages == ("fra_Latn", "eng_Latn")
    assert corpus["fra_Latn"] == ("chat dev",)
    assert corpus.name == f"{__name__}:_reader"
    task = interp.read_task(_task, languages=["en"], limit=1)
    assert task.prompts["eng_Latn"] == ("2+2=",)


@pytest.mark.parametrize(
    ("reader", "words"),
    [
        (lambda languages, split: 5, "got a int, expected a ParallelCorpus or a list of sentences"),
        (lambda path: {}, r"got a function of \(path\), expected one of \(languages, split\)"),
        (lambda languages, split: {"en": ["a"], "de": ["b", "c"]}, "1 sentences in eng_Latn|same number"),
        (lambda languages, split: {"eng_Latn": "abc"}, "got a text for eng_Latn, expected a list of sentences"),
        (lambda languages, split: {"en": {"a": 1}}, "got a dict for en, expected a list of sentences"),
        (lambda languages, split: {"en": {"a"}}, "got a set for en, expected a list of sentences"),
        (lambda languages, split: {"en": 5}, "got a int for en, expected a list of sentences"),
        (_task, 'got a ParallelTask, expected .* read by read_task.., "interp read --questions"'),
        (lambda languages, split: {}["x"], "failed with KeyError: 'x'"),
    ],
)
def test_a_reader_that_gives_no_parallel_text_is_refused(reader, words):
    with pytest.raises(ValueError, match=words):
        interp.read(reader)


def test_a_file_with_such_a_name_is_a_file(here):
    (here / "a:b").write_text("x", encoding="utf-8")
    with pytest.raises(ValueError, match="a:b"):
        interp.read("a:b")


def test_questions_of_ones_own_are_a_task():
    with pytest.raises(ValueError, match=r"got a dict, expected a ParallelTask\. Sentences are read by read"):
        interp.read_task(_reader)
