"""What a run needs before its model is loaded: enough text, and the libraries that it uses late."""

from __future__ import annotations

from importlib.util import find_spec
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from interp.text.corpus import ParallelCorpus


def check_sentences(corpus: ParallelCorpus, sentences: int, what: str, least: int = 2) -> None:
    """Raise `ValueError` if a corpus has fewer than so many `sentences` or languages (`least`); `what` is done with them."""
    if len(corpus.languages) < least:
        raise ValueError(
            f"corpus {corpus.name!r}: got {', '.join(corpus.languages)} alone, expected at least {least} languages to {what}. "
            "Name more with --languages."
        )
    if len(corpus) < sentences:
        raise ValueError(
            f"corpus {corpus.name!r}: got {len(corpus)} sentences, expected at least {sentences} to {what}. Raise --limit, or give "
            "a longer --corpus."
        )


def check_installed(*modules: str) -> None:
    """Raise `ImportError`, with the command that installs it, for the first of some `modules` that is not installed."""
    from interp.provenance import install_command

    for module in modules:
        if find_spec(module) is None:
            raise ImportError(f"{module} is not installed. Install it: {install_command(module)}")
