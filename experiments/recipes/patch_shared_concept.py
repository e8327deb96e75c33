"""A hypothesis about several languages: one language-neutral vector says which country is meant.

If it is so, the mean of what other languages' runs hold at the country's token moves the answer as far as the same language's
own run does, and the answer stays in the language that was asked. Run it with `python patch_shared_concept.py [MODEL]`.
"""

import sys

import interp
from interp.text.read import read_task
from probes.patching.concepts import measure_concepts
from probes.transplant.measure import measure_transplant

model = interp.load(sys.argv[1] if len(sys.argv) > 1 else "bundled")
task = read_task("cldr:facts", languages=["eng_Latn", "deu_Latn", "fra_Latn", "spa_Latn"]).select(limit=40, seed=0)

for anchor in ("span", "last"):
    report = measure_concepts(model, task, "eng_Latn", anchor=anchor, donors=("mean", "concept", "other"))
    print(anchor, report.verdict(), *report.notes, sep="\n  ")
    report.save(f"runs/shared-concept-{anchor}")

# The same question at the last token, every source layer into every target layer, with the mean of three languages as donor.
grid = measure_transplant(model, task, [(("eng_Latn", "fra_Latn", "spa_Latn"), "deu_Latn")], sites="residual_post")
print(grid.verdict(), grid.best().to_string(index=False), sep="\n")
