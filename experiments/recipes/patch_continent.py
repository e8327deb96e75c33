"""A hypothesis in ten lines: the country's own token carries its continent up to some block, then the last token does."""

import interp
from probes.patching.contrasts import Contrast
from probes.patching.measure import measure_patching

model = interp.load("bundled")
fact = 'English: "[[{}]]" 🌍 English: "'
places = [
    ("Kenya", "Africa", "Japan", "Asia"), ("France", "Europe", "Peru", "Americas"), ("Nepal", "Asia", "Chad", "Africa"),
    ("Spain", "Europe", "India", "Asia"), ("Ghana", "Africa", "Italy", "Europe"), ("Brazil", "Americas", "Egypt", "Africa"),
    ("China", "Asia", "Poland", "Europe"), ("Canada", "Americas", "Mali", "Africa"), ("Iran", "Asia", "Cuba", "Americas"),
]  # fmt: skip
pairs = [Contrast(fact.format(a), fact.format(b), right, wrong) for a, right, b, wrong in places]
report = measure_patching(model, pairs, anchors=("span", "last"), keep="all")
print(report.summary().to_string(), report.verdict(), sep="\n")
