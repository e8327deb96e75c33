"""The commands whose verdicts are checked, each with its module: a new one adds a line here and a module with `checks`."""

from __future__ import annotations

from experiments.benchmarks.verdicts import (
    alignment,
    directions,
    instruction,
    intervals,
    lens,
    neurons,
    patching,
    probing,
    steering,
    studies,
    translation,
)
from experiments.benchmarks.verdicts.rows import Checks
from experiments.benchmarks.verdicts.tuned import advice, sweeps

COMMANDS: dict[str, Checks] = {
    "intervals": intervals.checks,
    "align": alignment.checks,
    "instruction": instruction.checks,
    "lens": lens.checks,
    "neurons": neurons.checks,
    "patch": patching.checks,
    "probe": probing.checks,
    "steer": steering.checks,
    "compare": studies.changes,
    "answer": studies.answers,
    "transplant": studies.transplants,
    "quadrants": studies.quadrants,
    "scale": studies.scales,
    "advice": advice.checks,
    "directions": directions.checks,
    "translate": translation.translations,
    "extrapolate": translation.arms,
    "tune": translation.losses,
    "sweep": sweeps.checks,
}

COVERED: dict[str, str] = {
    "AlignmentReport": "align", "InstructionReport": "instruction", "LatentLanguageReport": "lens", "LabelLensReport": "lens",
    "NeuronReport": "neurons", "PatchReport": "patch", "ConceptReport": "patch", "ProbeReport": "probe",
    "SubspaceReport": "steer", "ChangeReport": "compare",
    "DifferenceReport": "compare", "AnswerReport": "answer", "TransplantGrid": "transplant",
    "QuadrantReport": "quadrants", "ScalingReport": "scale", "AllocationReport": "scale", "DirectionReport": "directions",
    "FactorReport": "directions", "PairAlignmentReport": "directions", "TranslationReport": "translate",
    "ExtrapolationReport": "extrapolate", "TuningReport": "tune", "HybridReport": "tune", "EntryReport": "tune",
    "BlocksReport": "tune", "RowsReport": "tune", "SweepReport": "sweep",
}  # fmt: skip
"""Every report that claims anything (a class with `finds`), and the command in `COMMANDS` whose rows check it."""
