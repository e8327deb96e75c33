"""Measures of what a model does and holds: each gives a report with confidence intervals, baselines, a verdict and figures.

Names are imported when first used, so `import probes` loads neither torch nor any model library.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Report": "probes.report",
    "Study": "probes.study",
    "measure_alignment": "probes.alignment.measure",
    "measure_dali": "probes.alignment.dali",
    "AlignmentReport": "probes.alignment.report",
    "AlignmentMetric": "probes.alignment.own_metrics",
    "measure_latent_language": "probes.lens.latent_language",
    "LatentLanguageStudy": "probes.lens.latent_language",
    "LatentLanguageReport": "probes.lens.latent_language_report",
    "measure_tokens": "probes.lens.tokens",
    "TokenLensReport": "probes.lens.tokens",
    "measure_labels": "probes.lens.labels",
    "LabelLensReport": "probes.lens.labels_report",
    "measure_transplant": "probes.transplant.measure",
    "TransplantStudy": "probes.transplant.measure",
    "TransplantGrid": "probes.transplant.report",
    "measure_patching": "probes.patching.measure",
    "PatchReport": "probes.patching.report",
    "measure_concepts": "probes.patching.concepts",
    "ConceptReport": "probes.patching.concepts",
    "measure_probes": "probes.linear.probe",
    "ProbeReport": "probes.linear.probe",
    "find_neurons": "probes.neurons.find",
    "NeuronReport": "probes.neurons.report",
    "AblationStudy": "probes.neurons.ablation",
    "measure_damage": "probes.neurons.ablation",
    "measure_atlas": "probes.atlas.measure",
    "AtlasReport": "probes.atlas.measure",
    "measure_steering": "probes.steering.measure",
    "SubspaceReport": "probes.steering.report",
    "Eraser": "probes.linear.erasure",
    "fit_erasers": "probes.linear.erasure",
    "erase": "probes.linear.erasure",
    "language_vectors": "probes.linear.erasure",
    "random_vectors": "probes.linear.erasure",
    "measure_tuning": "probes.tuning.losses",
    "TuningReport": "probes.tuning.losses",
    "measure_translation": "probes.translation.measure",
    "TranslationReport": "probes.translation.report",
    "measure_answers": "probes.translation.answers",
    "AnswerReport": "probes.translation.answers",
    "TextMetric": "probes.translation.metrics",
    "measure_tokenization": "probes.tokenization.measure",
    "survey_tokenization": "probes.tokenization.measure",
    "TokenizationReport": "probes.tokenization.report",
    "Cell": "probes.sweep.models",
    "measure_cells": "probes.sweep.sweep",
    "QuadrantStudy": "probes.quadrants.study",
    "Retokenization": "probes.quadrants.study",
    "QuadrantReport": "probes.quadrants.report",
    "compare_reports": "probes.tuning.comparison",
    "ChangeReport": "probes.tuning.comparison",
    "DifferenceReport": "probes.tuning.comparison",
    "measure_movement": "probes.tuning.movement",
    "MovementReport": "probes.tuning.movement",
    "measure_entry": "probes.tuning.hybrids",
    "measure_blocks": "probes.tuning.hybrids",
    "measure_rows": "probes.tuning.hybrids",
    "EntryReport": "probes.tuning.hybrids_report",
    "BlocksReport": "probes.tuning.hybrids_report",
    "RowsReport": "probes.tuning.hybrids_report",
    "ScalingStudy": "probes.scaling.study",
    "measure_scaling": "probes.scaling.measure",
    "ScalingReport": "probes.scaling.report",
    "fit_law": "probes.scaling.fit",
    "allocate": "probes.scaling.allocation",
    "measure_allocations": "probes.scaling.allocation_report",
    "AllocationReport": "probes.scaling.allocation_report",
    "ExtrapolationStudy": "probes.extrapolation.study",
    "measure_extrapolation": "probes.extrapolation.measure",
    "Abilities": "probes.extrapolation.measure",
    "ExtrapolationReport": "probes.extrapolation.report",
    "DirectionStudy": "probes.directions.study",
    "Companions": "probes.directions.companions",
    "Roles": "probes.directions.roles",
    "DirectionReport": "probes.directions.report",
    "classify": "probes.translation.errors",
    "learn_languages": "probes.translation.language_id",
    "measure_factors": "probes.directions.factors",
    "FactorReport": "probes.directions.factors",
    "measure_pair_alignment": "probes.directions.alignment",
    "PairAlignmentReport": "probes.directions.alignment",
    "FactorStudy": "probes.factors.study",
    "SweepReport": "probes.factors.report",
    "measure_instruction": "probes.instruction.measure",
    "InstructionReport": "probes.instruction.report",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"probes has no {name!r}. It has {', '.join(sorted(_HOMES))}.")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
