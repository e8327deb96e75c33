"""The entries that change a run: steering, transplants, patches."""

from __future__ import annotations

from experiments.gallery import rules_intervening
from experiments.gallery.entry import CAPITALS, QWEN, Entry, Inputs
from experiments.patch import PatchSettings
from experiments.settings.settings import Settings
from experiments.steer import SteerSettings
from experiments.transplant import TransplantSettings

_SHOTS = {
    "eng_Latn": "The capital of Peru is Lima. The capital of Vietnam is Hanoi. {question}",
    "zho_Hans": "秘鲁的首都是利马。越南的首都是河内。{question}",
}
"""Two examples before the question: without them the model answers a question in Chinese with a question."""
_TEXT = "24 capitals, this project's own text (`capitals/`)"


def _steer(inputs: Inputs) -> tuple[Settings, ...]:
    return (
        SteerSettings(
            model=inputs.qwen, dtype="bfloat16", corpus=str(inputs.data / "flores200"), limit=32, draws=7, tokens=12,
            output=inputs.work / "steer",
        ),
    )  # fmt: skip


def _transplant(inputs: Inputs) -> tuple[Settings, ...]:
    return (
        TransplantSettings(
            model=inputs.qwen, dtype="bfloat16", corpus=str(CAPITALS), template="{question}", languages=("swh_Latn",),
            limit=12,
            controls=("shuffled",), output=inputs.work / "transplant",
        ),
    )  # fmt: skip


def _patch(inputs: Inputs) -> tuple[Settings, ...]:
    return (
        PatchSettings(
            model=inputs.qwen, dtype="bfloat16", corpus=str(CAPITALS), template="{question}", languages=("eng_Latn",),
            output=inputs.work / "patch",
        ),
    )  # fmt: skip


def _concept(inputs: Inputs) -> tuple[Settings, ...]:
    return (
        PatchSettings(
            model=inputs.qwen, dtype="bfloat16", corpus=str(CAPITALS), template=_SHOTS, languages=("zho_Hans",), design="concept",
            anchors=("last",), output=inputs.work / "concept",
        ),
    )  # fmt: skip


INTERVENING = (
    Entry(
        name="steer",
        model=QWEN,
        data="FLORES-200 devtest, half of its documents (CC BY-SA 4.0)",
        finding="Adding the difference of two language means to the residual stream makes a model write the other language "
        "(mean differences: Marks & Tegmark 2023, arXiv 2310.06824; languages: LSAR, Xie et al. 2022).",
        control="Random directions of the same norm, at the same block and strength.",
        reasons="The command's own choice of block and strength on held-out prompts; English to Chinese, two languages that the "
        "model writes well; 11 sentences tested, seven random directions, the fewest that a test needs, 12 tokens a text, for the "
        "time of one processor.",
        rule="More texts are in Chinese than under random directions, the interval of the difference above zero.",
        steps=_steer,
        judge=rules_intervening.steer,
        changed="Run twice. Three random directions first, which wrote no Chinese either (0.82 against 0.00); the verdict has "
        "since been tested over directions too, which cannot succeed with fewer than seven.",
    ),
    Entry(
        name="transplant",
        model=QWEN,
        data=_TEXT,
        finding="XTransplant (Ye et al. 2024, arXiv 2412.12686): copying an English feed-forward output into the other "
        "language's run improves the answer, for the best of all pairs of layers.",
        control="The donor of another question (an oracle over all pairs of layers gains from any donor), and the pair of "
        "layers chosen on other questions.",
        reasons="Capitals asked in Swahili, where the model repeats the country, with the English run as the donor, where it "
        "knows them: the case the method is for. All 24 x 24 pairs of layers; 12 of 24 questions and one control of "
        "five, for the time of one processor.",
        rule="The pair chosen on some questions improves the others, and by more than the donor of another question does, "
        "both intervals above zero.",
        steps=_transplant,
        judge=rules_intervening.transplant,
    ),
    Entry(
        name="patch",
        model=QWEN,
        data=_TEXT,
        finding="Activation patching (Meng et al. 2022, arXiv 2202.05262; Geva et al. 2023, arXiv 2304.14767): the fact moves "
        "from the subject's last token in early blocks to the last token in late ones.",
        control="The unpatched run (0) and the other prompt's own run (1).",
        reasons="The prompt of `patch_capital.py` without its last words; each country is patched with another one; every block.",
        rule="At the first block the subject's token restores more than the last token, at the last block the last token "
        "does, intervals apart.",
        steps=_patch,
        judge=rules_intervening.patch,
    ),
    Entry(
        name="concept",
        model=QWEN,
        data=_TEXT,
        finding="Dumas et al. 2025 (arXiv 2411.08745): patching the last token of an English run into a Chinese one makes the "
        "English run's concept likely in Chinese, so concept and language are apart.",
        control="The same with a third concept as the donor, and the donor in Chinese itself (the upper bound).",
        reasons="Two examples before the question, as the paper's prompts have examples; English and Chinese, which share no "
        "first token of a word; every block.",
        rule="At some block the donor's concept in Chinese is more probable than unpatched and than under another concept, "
        "intervals apart. The block is chosen by the numbers, so it must hold at two neighbouring blocks.",
        steps=_concept,
        judge=rules_intervening.concept,
    ),
)
"""In the order of the page."""
