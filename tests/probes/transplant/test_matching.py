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


def test_letters_are_matched_as_the_release_does_for_globalopinionqa():
    words = ("Agree", "Disagree", "Neither")
    assert names_option("(b)", 1, "ABC", words)
    assert names_option(" b\n", 1, "ABC", words)
    assert names_option("I would say (B) Disagree.", 1, "ABC", words)
    assert names_option("(b) is right, (B)", 1, "abc", words)
    assert not names_option("Disagree", 1, "ABC", words), "the text of an option does not count"
    assert names_option("(B) Disagree, not Agree", 1, "ABC", words), "nor does that of another"
    assert not names_option("(B) or (c)", 1, "ABC", words)
    assert not names_option("(B) as in (X)", 1, "ABC", words), "any other letter rejects"
    assert not names_option("(A) I agree(s)", 0, "ABC", words)
    assert not names_option("（B）", 1, "ABC", words), "full-width brackets count for XNLI alone"
    assert not names_option("AB", 1, "ABC", words)
    assert names_option("(B) since (1) it is so", 1, "ABC", words), "a digit is no letter"
