"""Turn what was observed into a measured answer.

Names are fetched when first used, so `import probes` loads neither torch nor any model library.
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "measure_alignment": "alignment",
    "AlignmentReport": "alignment_report",
    "measure_latent_language": "latent_language",
    "LatentLanguageReport": "latent_language_report",
    "measure_tokens": "token_lens",
    "TokenLensReport": "token_lens",
    "measure_labels": "label_lens",
    "LabelLensReport": "label_lens_report",
    "measure_transplant": "transplant",
    "TransplantGrid": "transplant_report",
    "measure_patching": "patching",
    "PatchReport": "patching_report",
    "measure_concepts": "concepts",
    "ConceptReport": "concepts",
    "measure_probes": "linear",
    "ProbeReport": "linear",
    "find_neurons": "neurons",
    "NeuronReport": "neurons",
    "measure_damage": "damage",
    "measure_atlas": "atlas",
    "AtlasReport": "atlas",
    "measure_steering": "steering",
    "SubspaceReport": "steering",
    "Eraser": "subspace",
    "fit_erasers": "subspace",
    "erase": "subspace",
    "language_vectors": "subspace",
    "random_vectors": "subspace",
    "measure_tuning": "tuning",
    "TuningReport": "tuning",
    "measure_translation": "translation",
    "TranslationReport": "translation_report",
    "measure_answers": "answers",
    "AnswerReport": "answers",
    "measure_tokenization": "tokenization",
    "survey_tokenization": "tokenization",
    "TokenizationReport": "tokenization_report",
    "measure_cells": "cells",
    "measure_quadrants": "quadrant_sweep",
    "QuadrantReport": "quadrants_report",
    "compare_reports": "change",
    "ChangeReport": "change",
    "measure_movement": "movement",
    "MovementReport": "movement",
    "measure_entry": "hybrids",
    "measure_blocks": "hybrids",
    "measure_rows": "hybrids",
    "EntryReport": "hybrids_report",
    "BlocksReport": "hybrids_report",
    "RowsReport": "hybrids_report",
    "measure_scaling": "scaling",
    "ScalingReport": "scaling_report",
    "fit_law": "scaling_fit",
    "allocate": "allocation",
    "measure_allocations": "allocation_report",
    "AllocationReport": "allocation_report",
    "measure_extrapolation": "extrapolation",
    "ExtrapolationReport": "extrapolation_report",
    "Roles": "directions",
    "DirectionReport": "directions_report",
    "classify": "translation_errors",
    "learn_languages": "language_judges",
    "measure_factors": "direction_factors",
    "FactorReport": "direction_factors",
    "measure_pair_alignment": "direction_alignment",
    "PairAlignmentReport": "direction_alignment",
    "measure_instruction": "instruction",
    "InstructionReport": "instruction_report",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"probes has no {name!r}. It has {', '.join(sorted(_HOMES))}.")
    return getattr(import_module(f"probes.{_HOMES[name]}"), name)
