"""An answer names an option as the paper compares strings."""

from probes.transplant.matching import names_option


def test_the_papers_string_matches():
    words = ("Entail", "Neutral", "Contradict")
    assert names_option("The answer is (2) .", 1, "123", words)
    assert names_option("（2） Neutral", 1, "123", words)
    assert names_option(" 2 ", 1, "123", words)
    assert names_option("Neutral, I think", 1, "123", words)
    assert not names_option("(2) or (3)", 1, "123", words)
    assert not names_option("(2) Contradict", 1, "123", words)
    assert not names_option("12", 1, "123", words)
