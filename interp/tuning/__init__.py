"""Tune a model: the training examples, the weights that are trained, and a check of which weights changed."""

from interp.tuning.fit import planned_steps
from interp.tuning.instructions import read_instructions
from interp.tuning.mixtures import Example, Mixture, sampled, shuffle_answers, union
from interp.tuning.multilingual import Directed, coit, directed, muit, ordered_pairs, seen_pairs
from interp.tuning.parents import extended_parent, shortened_parent
from interp.tuning.recipe import Recipe
from interp.tuning.scopes import Adapter
from interp.tuning.sources import answered_questions, copies, generations, plain_text, question_translations, translations
from interp.tuning.templates import TEMPLATES, Template, encode_examples, template
from interp.tuning.train import tune
from interp.tuning.tuned_model import TunedModel

__all__ = [
    "TEMPLATES", "Adapter", "Directed", "Example", "Mixture", "Recipe", "Template", "TunedModel", "answered_questions", "coit",
    "copies", "directed", "encode_examples", "extended_parent", "generations", "muit", "ordered_pairs", "plain_text",
    "planned_steps", "question_translations", "read_instructions", "sampled", "seen_pairs", "shortened_parent", "shuffle_answers",
    "template", "translations", "tune", "union",
]  # fmt: skip
