"""Which setting names a text that cannot be read, and where the texts of the published recipes come from.

A recipe names its texts by a short path ("flores200", "pairs/{language}"), which stands for files that everybody keeps elsewhere.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from experiments.settings.settings import Settings
from experiments.settings.values import option_names

SPLITS: Mapping[str, str | None] = {
    "corpus": "split", "test_corpus": "test_split", "align_corpus": None, "lens_corpus": None, "survey": None,
    "general": "general_split", "questions": "question_split", "text": "text_split",
}  # fmt: skip
"""The settings that name a text, each with the setting that names its split."""

_OPUS = "OPUS (https://opus.nlpl.eu: NewsCommentary, WikiMatrix; its Moses download is a text file a language)"
_FLORES = "FLORES (https://github.com/facebookresearch/flores: the archive has the folders dev and devtest, a file a language)"
_ZHANG = "https://github.com/Shimao-Zhang/LLM-Multilingual-Learner (data/snli and data/paws, a test file a language)"
_WENDLER = "https://github.com/epfl-dlab/llm-latent-language, data/langs, each folder's clean.csv renamed"
_XTRANSPLANT = "https://github.com/YYF-Tommy/XTransplant (data/)"
_MOSES = "curl -LO https://object.pouta.csc.fi/OPUS-WikiMatrix/v1/moses/ar-en.txt.zip && unzip ar-en.txt.zip"
_ARCHIVE = "curl -L https://dl.fbaipublicfiles.com/nllb/flores200_dataset.tar.gz | tar xz"
_CLONED = "git clone {} and write the rows of each language's files to {}/deu_Latn.jsonl and so on, one a line, in the same order"
_LEARNER = _CLONED.format("https://github.com/Shimao-Zhang/LLM-Multilingual-Learner", "{}")
_CROSS = _CLONED.format("https://github.com/YYF-Tommy/XTransplant", "{}")


class Origin(NamedTuple):
    """What stands behind the name of a text, where it is had, and how it is prepared: commands of a shell, for one language."""

    what: str
    where: str
    prepare: str


ORIGINS: Mapping[str, Origin] = {
    "pairs/{language}": Origin(
        "a folder for each language with its text and the English, such as pairs/arb_Arab/arb_Arab.txt",
        _OPUS,
        f"{_MOSES} && mkdir -p pairs/arb_Arab && mv WikiMatrix.ar-en.ar pairs/arb_Arab/arb_Arab.txt && "
        "mv WikiMatrix.ar-en.en pairs/arb_Arab/eng_Latn.txt",
    ),
    "data/wikimatrix/{source}-{target}.tsv": Origin(
        "a table for each pair of languages, with a column each, headed by its code",
        _OPUS,
        f"{_MOSES} && mkdir -p data/wikimatrix && (printf 'arb_Arab\\teng_Latn\\n'; paste WikiMatrix.ar-en.ar "
        "WikiMatrix.ar-en.en) > data/wikimatrix/arb_Arab-eng_Latn.tsv",
    ),
    "flores200": Origin(
        "a folder with the split named, such as devtest/eng_Latn.devtest", _FLORES, f"{_ARCHIVE} && mv flores200_dataset flores200"
    ),
    "data/flores101": Origin(
        "a folder with the split named, such as devtest/eng_Latn.devtest",
        _FLORES,
        f"{_ARCHIVE} && mkdir -p data && mv flores200_dataset data/flores101",
    ),
    "NTREX/NTREX-128": Origin(
        "a folder with a text file a language, such as newstest2019-ref.deu.txt",
        "NTREX-128 (https://github.com/MicrosoftTranslator/NTREX)",
        "git clone https://github.com/MicrosoftTranslator/NTREX",
    ),
    "alpaca.jsonl": Origin(
        'one example a line: {"instruction": ..., "input": ..., "output": ..., "language": "eng_Latn"}, in every language',
        "Alpaca (https://github.com/tatsu-lab/stanford_alpaca, alpaca_data.json), and a translation of it for each language",
        'curl -LO https://raw.githubusercontent.com/tatsu-lab/stanford_alpaca/main/alpaca_data.json && python -c "import json; '
        "[print(json.dumps(row | {'language': 'eng_Latn'})) for row in json.load(open('alpaca_data.json'))]\" > alpaca.jsonl",
    ),
    "xquad": Origin(
        "a folder with a file a language, such as xquad.en.json",
        "XQuAD (https://github.com/google-deepmind/xquad)",
        "git clone https://github.com/google-deepmind/xquad",
    ),
    "paws20": Origin(
        "a folder with a .jsonl file a language: sentence1, sentence2, answer, label_en", _ZHANG, _LEARNER.format("paws20")
    ),
    "snli20": Origin(
        "a folder with a .jsonl file a language: premise, hypothesis, answer, label_en", _ZHANG, _LEARNER.format("snli20")
    ),
    "words": Origin(
        "a folder of word lists, such as deu_Latn.clean.csv",
        _WENDLER,
        "git clone https://github.com/epfl-dlab/llm-latent-language && mkdir words && "
        "cp llm-latent-language/data/langs/de/clean.csv words/deu_Latn.clean.csv",
    ),
    "xnli_xtransplant": Origin(
        "a folder with a .jsonl file a language (premise, hypothesis, label) and templates.json",
        _XTRANSPLANT,
        _CROSS.format("xnli_xtransplant"),
    ),
    "globalopinionqa": Origin(
        "a folder with a .jsonl file a language: prompt, prompt_en, label", _XTRANSPLANT, _CROSS.format("globalopinionqa")
    ),
}
"""What stands behind each name of a text in the shipped recipes, and where it is had. None of it is shipped."""


def check_texts(settings: Settings) -> None:
    """Raises `ValueError` where texts of a recipe are still to be had: what each is, where from, how prepared, and its flag.

    Files of these names, where there are any, are taken.
    """
    flags = option_names(type(settings))
    missing = [
        f"--{flags[name]} {value!r} is {ORIGINS[value].what}, from {ORIGINS[value].where}. Prepare it: {ORIGINS[value].prepare}. "
        f"Give its path with --{flags[name]}"
        for name, value in _named(settings).items()
        if value in ORIGINS and not _is_there(value)
    ]
    if missing:
        of = f"of recipe {settings.config}" if settings.config else "of this run"
        raise ValueError(f"texts {of} that are not here: {'; '.join(missing)}.")


@contextmanager
def flags_told(settings: Settings) -> Iterator[None]:
    """Add the flags that named a text to an error in reading it (`interp.text.read` says of which text and split it is)."""
    try:
        yield
    except (ValueError, OSError) as error:
        source, split = getattr(error, "text_read", (None, None))
        if source is None or not (told := _flags(settings, str(source), split)):
            raise
        kind = OSError if isinstance(error, OSError) else ValueError
        raise kind(f"{error} {told}") from error


def _flags(settings: Settings, source: str, split: str | None) -> str:
    flags, said = option_names(type(settings)), []
    for name, value in _named(settings).items():
        part = SPLITS[name] if hasattr(settings, SPLITS[name] or "") else "split" if name == "general" else None
        if not _stands_for(value, source) or (part and getattr(settings, part) != split):
            continue
        said.append(f"--{flags[name]} {value}" + (f" --{flags[part]} {split}" if part and split is not None else ""))
    other = dict.fromkeys(word for each in said for word in each.split() if word.startswith("--"))
    return f"It was asked for by {' and '.join(said)}; give others with {' or '.join(other)}." if said else ""


def _named(settings: Settings) -> dict[str, str]:
    """The texts that settings name; the test text is that of training where it is not named."""
    named = {field.name: getattr(settings, field.name) for field in dataclasses.fields(settings) if field.name in SPLITS}
    if "test_corpus" in named:
        named["test_corpus"] = named["test_corpus"] or named["corpus"]
    return {name: value for name, value in named.items() if isinstance(value, str)}


def _stands_for(value: str, source: str) -> bool:
    """Whether a source is one of those that a setting with {language} in it names."""
    before, brace, _ = value.partition("{")
    return source.startswith(before) if brace else source == value


def _is_there(value: str) -> bool:
    before, brace, _ = value.partition("{")
    if not brace:
        return Path(value).exists()
    folder = Path(before).parent if not before.endswith("/") else Path(before)
    return folder.is_dir() and any(folder.iterdir())
