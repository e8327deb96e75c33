"""`interp lens`: which language does the model think in?"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from experiments.runs.shards import Shard, meet
from experiments.settings.settings import Settings
from probes.lens.word_prompts import LINE

if TYPE_CHECKING:
    from experiments.costs.cost import Work
    from interp.lens.tuned_lens import TunedLens
    from interp.models.load import TransformerBridge
    from interp.text.corpus import ParallelTask
    from probes.lens.latent_language import LatentLanguageStudy
    from probes.lens.word_prompts import WordTask
    from probes.report import Report


@dataclass(frozen=True)
class LensSettings(Settings):
    """Which language does the model think in?

    Decodes every layer as if it were the last, and measures how probable the answer is there in English, in the target language
    and in other languages. The controls are unrelated words of the same language, and a randomly initialised model.

    Example: interp lens --languages de zh --limit 100 --output runs/lens
    """

    languages: tuple[str, ...] = ("deu_Latn", "fra_Latn", "rus_Cyrl", "zho_Hans")
    """Target languages, in which the model is to answer, as deu_Latn, de or German."""
    output: Path = Path("runs/lens")
    """Run folder to write."""
    task: Literal["translation", "repetition", "cloze", "labels", "prompt"] = "translation"
    """What the model is asked: translate a word, repeat it, fill it in (cloze), choose a label, or continue any prompt."""
    source: str | None = None
    """Language to translate from. Default: the target language before this one, in the order given."""
    shots: int | None = None
    """Number of few-shot examples. Default: 4; 2 for cloze; 6 for labels."""
    line: str = LINE
    """Template of one line of a word prompt, with {source}, {word}, {target} and, at the end, {answer}."""
    names: dict[str, str] = field(default_factory=dict)
    """Names of the languages in the prompt. Default: the name of each language in itself."""
    prompt: str = ""
    """Prompt for --task prompt."""
    template: dict[str, str] = field(default_factory=dict)
    """Prompt template of each language, with field names in braces (labels and cloze)."""
    labels: Literal["english", "target", "irrelevant"] = "english"
    """Label words: English, of the language of the question, or meaningless (labels)."""
    words: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Label words of a language, in the order of the options. Default: those of the corpus (labels)."""
    rule: Literal["first", "prefix"] = "first"
    """Which tokens count as a word: its first token, or all tokens that spell a prefix of it."""
    lens: str = "logit"
    """`logit` for the logit lens, or the file of a tuned lens."""
    lens_corpus: str | None = None
    """If the file of the tuned lens does not exist, train the lens on this parallel corpus, in the languages of the run."""
    lens_steps: int = 250
    """Number of training steps of the tuned lens."""
    chat: bool = False
    """Write the prompts in the chat template of the tokenizer: the model answers as the assistant."""
    controls: bool = True
    """Also read a randomly initialised model of the same architecture; --no-controls: do not."""

    @property
    def wanted(self) -> tuple[str, ...] | None:
        """The languages to read: the reference language, the target languages, and the source language."""
        languages = super().wanted
        if languages is None or self.source is None:
            return languages
        from interp.languages import language

        return tuple(dict.fromkeys((*languages, language(self.source).code)))


def run(settings: LensSettings) -> Report:
    """Load the model and its lens, and measure the task."""
    from probes.lens.labels import measure_labels
    from probes.lens.tokens import measure_tokens

    model = settings.load_model()
    lens = _lens(settings, model)
    if settings.task == "prompt":
        return measure_tokens(
            model,
            settings.prompt,
            pivot=settings.pivot,
            lens=lens,
            chat=settings.chat,
            controls=settings.controls,
            seed=settings.seed,
        )
    if settings.task == "labels":
        shots = 6 if settings.shots is None else settings.shots
        return measure_labels(
            model, _task(settings), labels=settings.labels, words=settings.words, shots=shots, rule=settings.rule,
            lens=lens, chat=settings.chat, controls=settings.controls, seed=settings.seed,
        )  # fmt: skip
    return _study(settings, settings.task, model, lens).measure(settings.output / "words")


def check(settings: LensSettings) -> None:
    """Raise `ValueError` for a tuned lens that is not there and is not to be trained, and for one to be trained into no file."""
    if settings.lens == "logit" and settings.lens_corpus is not None:
        raise ValueError(
            "--lens-corpus is read only with --lens FILE, the file of the tuned lens to train; got --lens logit. Leave it out, or "
            "name a file."
        )
    if settings.task == "prompt" and not settings.prompt:
        raise ValueError("--task prompt: got no prompt, expected one. Give it with --prompt.")
    if settings.lens != "logit" and settings.lens_corpus is None and not Path(settings.lens).is_file():
        raise ValueError(
            f"--lens: got {settings.lens!r}, expected logit or the file of a tuned lens. To train one into that file, give "
            "--lens-corpus."
        )


def work(settings: LensSettings, model: TransformerBridge) -> list[Work]:
    """The cost of a run: every prompt is read once, and once more with random weights; a lens is trained if it is to be."""
    from experiments.costs.lenses import labels_read, lens_trained, words_read

    works = []
    if settings.lens != "logit" and settings.lens_corpus is not None and not Path(settings.lens).is_file():
        import interp

        works += lens_trained(model, interp.read(settings.lens_corpus, languages=settings.wanted), settings.lens_steps)
    if settings.task == "prompt":
        from interp.text.chat import in_chat

        prompt = in_chat(model.tokenizer, settings.prompt) if settings.chat else settings.prompt
        return [*works, *labels_read(model, [[prompt]], settings.controls)]
    if settings.task == "labels":
        from probes.lens.labels import label_prompts

        shots = 6 if settings.shots is None else settings.shots
        asked, _ = label_prompts(
            model,
            _task(settings),
            labels=settings.labels,
            words=settings.words,
            shots=shots,
            rule=settings.rule,
            chat=settings.chat,
        )
        return [*works, *labels_read(model, [one.prompts for one in asked], settings.controls)]
    return [*works, *words_read(_study(settings, settings.task, model, None))]


def share(settings: LensSettings, shard: Shard) -> None:
    """Measure the target languages of this shard. The first shard trains the lens if there is one to train."""
    if settings.task == "prompt" or settings.task == "labels":
        raise ValueError(
            f"got --shard with --task {settings.task}, expected translation, repetition or cloze. Run this task in one process."
        )
    model = settings.load_model()
    if settings.lens_corpus is not None:
        if shard.index == 0:
            _lens(settings, model)
        if not meet(settings, shard, "lens"):
            return
    study = _study(settings, settings.task, model, _lens(settings, model))
    study.share(settings.output / "words", shard.index, shard.count)


def _study(settings: LensSettings, task: WordTask, model: TransformerBridge, lens: TunedLens | None) -> LatentLanguageStudy:
    from probes.lens.latent_language import LatentLanguageStudy

    return LatentLanguageStudy(
        model=model,
        words=_task(settings) if task == "cloze" else settings.read_corpus(),
        pivot=settings.pivot,
        task=task,
        source=settings.source,
        shots=settings.shots,
        line=settings.line,
        names=settings.names,
        rule=settings.rule,
        lens=lens,
        chat=settings.chat,
        controls=settings.controls,
        seed=settings.seed,
    )


def _task(settings: LensSettings) -> ParallelTask:
    from interp.text.questions.word_lists import is_word_list, read_word_clozes
    from interp.text.read import read_task

    if settings.task == "cloze" and is_word_list(settings.corpus):
        task = read_word_clozes(settings.corpus, settings.wanted)
    else:
        task = read_task(
            settings.corpus, languages=settings.wanted, template=settings.template or None, columns=settings.chosen_columns
        )
    return task.select(limit=settings.limit, seed=settings.seed)


def _lens(settings: LensSettings, model: TransformerBridge) -> TunedLens | None:
    import interp
    from interp.lens.train import train_lens
    from interp.lens.tuned_lens import load_lens

    if settings.lens == "logit":
        return None
    if settings.lens_corpus is None or Path(settings.lens).is_file():
        return load_lens(settings.lens, model)
    text = interp.read(settings.lens_corpus, languages=settings.wanted)
    return train_lens(model, text, settings.lens, steps=settings.lens_steps, seed=settings.seed)
