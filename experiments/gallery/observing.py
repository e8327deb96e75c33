"""The entries that observe a model: alignment, lens, probe, neurons, tokenizer and maps."""

from __future__ import annotations

from experiments.align import AlignSettings
from experiments.atlas import AtlasSettings
from experiments.gallery import rules_observing
from experiments.gallery.entry import QWEN, SMOLLM2, Entry, Inputs
from experiments.lens import LensSettings
from experiments.neurons import NeuronsSettings
from experiments.probe import ProbeSettings
from experiments.settings.settings import Settings
from experiments.vocabulary import VocabularySettings

_FLORES = "FLORES-200 devtest, half of its documents (CC BY-SA 4.0)"
_EIGHT = ("deu_Latn", "spa_Latn", "rus_Cyrl", "zho_Hans", "arb_Arab", "hin_Deva", "tha_Thai", "swh_Latn")
"""Six scripts, from languages with much text on the web to Swahili."""


def _align(inputs: Inputs) -> tuple[Settings, ...]:
    return (
        AlignSettings(
            model=inputs.qwen, dtype="bfloat16", corpus=str(inputs.data / "flores200"), languages=_EIGHT, limit=100,
            pooling="weighted", include_bos=True, metrics=("mexa",), output=inputs.work / "align",
        ),
    )  # fmt: skip


def _lens(inputs: Inputs) -> tuple[Settings, ...]:
    return (
        LensSettings(
            model=inputs.qwen, dtype="bfloat16", corpus=str(inputs.data / "flagged" / "latent_language" / "words"),
            languages=("zho_Hans", "rus_Cyrl", "deu_Latn"), source="fra_Latn", shots=4, rule="prefix", limit=60,
            output=inputs.work / "lens",
        ),
    )  # fmt: skip


def _neurons(inputs: Inputs) -> tuple[Settings, ...]:
    return (
        NeuronsSettings(
            model=inputs.qwen, dtype="bfloat16", corpus=str(inputs.data / "flores200"), languages=("zho_Hans", "spa_Latn"),
            limit=32, modes=("zero",), output=inputs.work / "neurons",
        ),
    )  # fmt: skip


def _probe(inputs: Inputs) -> tuple[Settings, ...]:
    return (
        ProbeSettings(
            model=inputs.smollm2, dtype="bfloat16", corpus=str(inputs.data / "flores200"),
            languages=("deu_Latn", "fra_Latn", "spa_Latn", "ita_Latn"), limit=60,
            layers=("embed", "0", "4", "9", "14", "19", "24", "29"), output=inputs.work / "probe",
        ),
    )  # fmt: skip


def _vocabulary(inputs: Inputs) -> tuple[Settings, ...]:
    return (
        VocabularySettings(
            model=inputs.qwen, corpus=str(inputs.data / "flores200"), languages=(*_EIGHT, "mya_Mymr"), limit=200,
            output=inputs.work / "vocabulary",
        ),
    )  # fmt: skip


def _atlas(inputs: Inputs) -> tuple[Settings, ...]:
    return (
        AtlasSettings(
            model=inputs.smollm2, dtype="bfloat16", corpus=str(inputs.data / "flores200"),
            languages=("deu_Latn", "fra_Latn"), limit=40, layers=("embed", "9", "19", "29"), umap=False,
            output=inputs.work / "atlas",
        ),
    )  # fmt: skip


OBSERVING = (
    Entry(
        name="align",
        model=QWEN,
        data=_FLORES,
        finding="MEXA (Kargaran et al. 2025, arXiv 2410.05873): alignment with English is low at the embedding, high in the "
        "middle blocks, and lower again in the last.",
        control="The same score over shuffled pairs, and the two ends of the depth.",
        reasons="The recipe `mexa` as published (position-weighted mean, 100 sentences); eight languages in six scripts, from "
        "much to little text on the web.",
        rule="For each language the interval at the middle block (of 24, block 11) lies above those at the embedding and at "
        "the last block. The middle is not chosen by the numbers. Came out: in most languages.",
        steps=_align,
        judge=rules_observing.align,
    ),
    Entry(
        name="lens",
        model=QWEN,
        data="words of Wendler et al. (no licence stated: numbers only)",
        finding="Wendler et al. 2024 (arXiv 2402.10588): translating a French word into Chinese, middle layers of Llama-2 say "
        "the English word first.",
        control="Unrelated English words in the same prompts, and a randomly initialised model.",
        reasons="The paper's prompt (four examples, from French) and token rule (all prefixes); targets in three scripts; 60 "
        "words for the time of one processor.",
        rule="Somewhere before the target word overtakes, English is more probable than both the target word and unrelated "
        "English words, as the run's verdict tests over layers. Came out: in most target languages.",
        steps=_lens,
        judge=rules_observing.lens,
        changed="That a lead which single intervals show and the verdict's test does not is called not distinguishable was decided "
        "after the numbers.",
    ),
    Entry(
        name="neurons",
        model=QWEN,
        data=_FLORES,
        finding="LAPE (Tang et al. 2024, arXiv 2402.16438): language-specific neurons are few, lie in the first and last "
        "blocks, and switching them off hurts their own language most.",
        control="As many random neurons of similar activity, switched off in the same way.",
        reasons="The paper's share (1 %) and bar (95th percentile), set to zero as there. Sixteen sentences count and sixteen "
        "test, for the time of one processor: the paper counts 100 million tokens a language.",
        rule="Switching off a language's neurons raises its own loss more than random neurons do, interval above zero. Came "
        "out: in every language with neurons.",
        steps=_neurons,
        judge=rules_observing.neurons,
        figures=("layers",),
        changed="Run twice. Two random sets a language first: the loss rose beyond theirs by 2.01 for Chinese, 2.75 for Spanish "
        "and 0.02 for English. The verdict has since been tested over sets too, which cannot succeed with so few: four now.",
    ),
    Entry(
        name="probe",
        model=SMOLLM2,
        data=_FLORES,
        finding="Hewitt & Liang 2019 (arXiv 1909.03368): what a linear probe reads counts only beside a control; here a "
        "randomly initialised network, in which tokens alone give the language away.",
        control="The same probe in a randomly initialised model of the same shape.",
        reasons="Five languages in one script, so that the script gives nothing away; SmolLM2, for the time of one processor; "
        "eight of 31 rows over the depth.",
        rule="At the middle row (block 14) the trained model's accuracy lies above the random model's, intervals apart.",
        steps=_probe,
        judge=rules_observing.probe,
    ),
    Entry(
        name="vocabulary",
        model=QWEN,
        data=_FLORES,
        finding="Vocabulary sharing (Yuan et al. 2023, arXiv 2311.09071): languages that the tokenizer spells in bytes pay "
        "several times the tokens of English.",
        control="English: the same sentences, so a ratio of one.",
        reasons="The eight languages of `align` and Burmese, which byte-level vocabularies cover least.",
        rule="Tokens relative to English above two, interval included. Came out: for Burmese and at least one other language.",
        steps=_vocabulary,
        judge=rules_observing.vocabulary,
    ),
    Entry(
        name="atlas",
        model=SMOLLM2,
        data=_FLORES,
        finding="Spontaneous multilingual learners (Zhang et al. 2024, arXiv 2405.13816): one joint principal component orders "
        "sentences alike in all languages.",
        control="The same with sentence length partialled out, and in a randomly initialised model.",
        reasons="English and two languages that SmolLM2 knows a little; 40 sentences and four rows, for the time of one processor.",
        rule="The correlation at the middle rows stays above the random model's once length is partialled out, intervals apart.",
        steps=_atlas,
        judge=rules_observing.atlas,
    ),
)
"""In the order of the page."""
