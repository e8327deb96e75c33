"""Every command with its module and the question that it answers."""

from __future__ import annotations

COMMANDS = {
    "check": ("experiments.check", "Is this model computed as its checkpoint says? Run it first on a model of your own."),
    "read": ("experiments.read", "What is understood of this text? Run it first on a corpus of your own."),
    "align": ("experiments.align", "At which layers do languages share a space?"),
    "lens": ("experiments.lens", "Which language does the model think in?"),
    "transplant": (
        "experiments.transplant",
        "If layer i of the English run is copied into layer j of the Swahili run, does the answer improve?",
    ),
    "patch": ("experiments.patch", "Which component causes the answer?"),
    "probe": ("experiments.probe", "What can a linear probe read at each layer, and does it transfer to other languages?"),
    "neurons": ("experiments.neurons", "Which neurons are specific to a language, and what does switching them off do?"),
    "steer": ("experiments.steer", "Does a direction or subspace determine the language that the model writes?"),
    "atlas": ("experiments.atlas", "What do the sentences look like at each layer, and does sentence length alone explain it?"),
    "tune": ("experiments.tune", "What did the model learn from its tuning data?"),
    "translate": ("experiments.translate", "How well does the model translate?"),
    "answer": ("experiments.answer", "How well does the model answer, in each language?"),
    "compare": ("experiments.compare", "What did tuning change, in behaviour, representations and weights?"),
    "quadrants": ("experiments.quadrants", "Does tuning on one language improve that language, others, both or neither?"),
    "scale": (
        "experiments.scale",
        "How does translation improve with parallel data, and how should a budget of it be divided over languages?",
    ),
    "directions": ("experiments.directions", "Does tuning on some translation directions transfer to unseen ones?"),
    "vocabulary": ("experiments.vocabulary", "How does the tokenizer treat each language?"),
    "extrapolate": ("experiments.extrapolate", "Does tuning carry what the model can do in English into other languages?"),
    "sweep": (
        "experiments.sweep",
        "What is the effect of each factor of tuning: languages, size, method, template, direction, model?",
    ),
    "instruction": ("experiments.instruction", "At which layer does the model read the target-language tag?"),
    "harness": ("experiments.harness", "Questions as task files of lm-evaluation-harness."),
    "verify": ("experiments.verify", "Is a finished run what it says, and does it come out again?"),
    "recipes": ("experiments.settings.recipe_list", "The published settings by name, for --config; with a name, its text."),
    "completion": ("experiments.settings.completion", "A script by which bash or zsh completes commands and options."),
    "page": ("experiments.page", "Finished runs as one self-contained HTML page."),
    "tour": ("experiments.tour", "Every question once, on the bundled model."),
}
