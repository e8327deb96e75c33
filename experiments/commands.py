"""Every command with its module and the question that it answers."""

from __future__ import annotations

COMMANDS = {
    "check": ("experiments.check", "Is this model computed as its checkpoint says? The first command on a model of your own."),
    "align": ("experiments.align", "At which layers do languages share a space?"),
    "lens": ("experiments.lens", "Which language does the model think in?"),
    "transplant": (
        "experiments.transplant",
        "If layer i of the English run is copied into layer j of the Swahili run, does the answer improve?",
    ),
    "patch": ("experiments.patch", "Which component causes the answer?"),
    "probe": ("experiments.probe", "What can a linear probe read at each layer, and does it carry between languages?"),
    "neurons": ("experiments.neurons", "Which neurons belong to a language, and what is lost without them?"),
    "steer": ("experiments.steer", "Does a direction or subspace carry the language of what the model writes?"),
    "atlas": ("experiments.atlas", "What do the sentences look like at each depth, and does length alone explain it?"),
    "tune": ("experiments.tune", "What did the model learn from its tuning data?"),
    "translate": ("experiments.translate", "How well does the model translate?"),
    "answer": ("experiments.answer", "How well does the model answer, in each language?"),
    "compare": ("experiments.compare", "What did tuning change, in behaviour, representations and weights?"),
    "quadrants": ("experiments.quadrants", "Which languages profit from tuning on one of them: itself, others, both or none?"),
    "scale": ("experiments.scale", "How does translation grow with parallel data, and how should a budget of it be divided?"),
    "directions": ("experiments.directions", "Does tuning on some translation directions carry to unseen ones?"),
    "vocabulary": ("experiments.vocabulary", "How does the tokenizer treat each language?"),
    "extrapolate": ("experiments.extrapolate", "Does tuning carry what the model can do in English into other languages?"),
    "instruction": ("experiments.instruction", "At which layer does the model read the target-language tag?"),
    "page": ("experiments.page", "Finished runs as one self-contained HTML page."),
    "tour": ("experiments.tour", "Every question once, on the bundled model."),
}
