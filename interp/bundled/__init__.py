"""What the bundled model was taught, as far as a reader of its results must know it. How: `experiments.bundled.train`."""

TIERS = {
    "english": ("eng_Latn",),
    "high": ("deu_Latn", "fra_Latn", "spa_Latn", "rus_Cyrl", "zho_Hans", "jpn_Jpan"),
    "middle": ("ita_Latn", "por_Latn", "tur_Latn", "arb_Arab", "hin_Deva"),
    "low": ("swh_Latn", "kor_Hang", "fin_Latn", "tha_Thai"),
}
"""The languages it has seen, by how much; every other language is unseen."""

_SHARES = {"english": 1.0, "high": 0.7, "middle": 0.4, "low": 0.1}

FACTS_SEEN = {code: _SHARES[tier] for tier, codes in TIERS.items() for code in codes}
"""The share of the facts it was told in each language; 0 in the languages that are not here."""
