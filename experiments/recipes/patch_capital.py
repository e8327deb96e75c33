"""A hypothesis in a few lines: the country's own token carries its capital up to some block, then the last token does.

Each prompt is patched with that of the next country. Run it with `python patch_capital.py [MODEL] [OUTPUT]`.
"""

import sys

import interp
from probes.patching.contrasts import Contrast
from probes.patching.measure import measure_patching

known = """
    France Paris, Japan Tokyo, Italy Rome, Egypt Cairo, Spain Madrid, Russia Moscow, Greece Athens, Germany Berlin, Cuba Havana,
    Austria Vienna, Kenya Nairobi, Portugal Lisbon, Poland Warsaw, China Beijing, Ireland Dublin, England London, Norway Oslo,
    Hungary Budapest, Iran Tehran, Sweden Stockholm, Thailand Bangkok, Canada Ottawa, Belgium Brussels, Finland Helsinki
"""
capitals = dict(pair.split() for pair in known.split(","))
prompt, names = "The capital of [[{}]] is the city of", list(capitals)
pairs = [
    Contrast(prompt.format(one), prompt.format(other), f" {capitals[one]}", f" {capitals[other]}", one, "eng_Latn")
    for one, other in zip(names, names[1:] + names[:1], strict=True)
]
model = interp.load(sys.argv[1] if len(sys.argv) > 1 else "bundled")
report = measure_patching(model, pairs, anchors=("span", "last"), name="capitals")
print(report.verdict(), *report.notes, sep="\n")
report.save(sys.argv[2] if len(sys.argv) > 2 else "runs/capitals")
