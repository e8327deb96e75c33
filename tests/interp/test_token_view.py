"""The tokens of a text as a notebook shows them: nothing lost, nothing added, scripts whole, values and ids on hover."""

from __future__ import annotations

import math
import re
import unicodedata
from html.parser import HTMLParser

import pytest

import interp
from interp.token_view import TokenView, show_tokens


class Spans(HTMLParser):
    """The patches of a view: their text, what is said on hover, and their style."""

    def __init__(self, view: TokenView) -> None:
        super().__init__()
        self.all: list[tuple[str, str, str]] = []
        self.tags: list[str] = []
        self.feed(view._repr_html_())

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        if tag == "span":
            given = dict(attrs)
            self.all.append(("", given["title"], given["style"]))

    def handle_data(self, data):
        if self.tags[-1] == "span":
            self.all[-1] = (self.all[-1][0] + data, *self.all[-1][1:])


@pytest.fixture(scope="module")
def model():
    return interp.load("bundled")


TEXTS = ("Deutschland", "हिन्दी में", "العربية مكتوبة", "ภาษาไทย", "中文 english", "e\u0301te\u0301", "👩‍👩‍👧 <b>&amp;</b>", "አማርኛ")


@pytest.mark.parametrize("text", TEXTS)
def test_the_text_is_read_as_it_stands_but_for_a_small_bos(model, text):
    spans = Spans(interp.show_tokens(model, text))
    assert "".join(part for part, _, style in spans.all if "font-size" not in style).replace("␣", " ") == text
    assert "script" not in spans.tags


@pytest.mark.parametrize("text", TEXTS)
def test_no_letter_is_cut_from_its_signs_and_no_token_is_lost(model, text):
    view = interp.show_tokens(model, text)
    told = re.findall(r"id (\d+)", "\n".join(title for _, title, _ in Spans(view).all))
    assert tuple(map(int, told)) == view.ids == tuple(model.tokenizer(text)["input_ids"])
    for part, _, _ in Spans(view).all:
        assert not part or unicodedata.category(part[0])[0] != "M"


def test_right_to_left_text_runs_right_to_left(model):
    shown = interp.show_tokens(model, "العربية").html
    assert '<div dir="auto"' in shown  # by its first letter that is not in an element with a direction of its own
    assert re.search(r'<span dir="ltr"[^>]*>&lt;s&gt;', shown)


def test_values_are_told_and_coloured_by_sign_and_strength(model):
    text = "Deutschland"
    n = len(model.tokenizer(text)["input_ids"])
    values = [math.nan] + [0.25 * (-1) ** k * k for k in range(1, n)]
    view = show_tokens(model.tokenizer, text, values, label="loss")
    spans = Spans(view).all
    assert [f"loss {value:.4g}" in title for value, (_, title, _) in zip(values, spans, strict=True)] == [True] * n
    assert "loss: " in view.html
    backs = [tuple(map(int, re.search(r"rgb\((\d+), (\d+), (\d+)\)", style).groups())) for _, _, style in spans]
    assert backs[0] == (255, 255, 255)
    assert all((red > blue) == (value < 0) for value, (red, _, blue) in zip(values[1:], backs[1:], strict=True))


def test_letters_have_contrast_on_every_ground(model):
    text = " ".join(["Deutschland"] * 20)
    n = len(model.tokenizer(text)["input_ids"])
    for _, _, style in Spans(show_tokens(model, text, [k - n / 2 for k in range(n)])).all:
        back = [int(part) / 255 for part in re.search(r"rgb\((\d+), (\d+), (\d+)\)", style).groups()]
        red, green, blue = (c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in back)
        light = 0.2126 * red + 0.7152 * green + 0.0722 * blue
        ink = 0.0 if "color:#000" in style else 1.0
        assert (max(light, ink) + 0.05) / (min(light, ink) + 0.05) >= 4.5, "WCAG 2, AA"


def test_a_wrong_number_of_values_is_refused(model):
    with pytest.raises(ValueError, match="got 1 values, expected one for each"):
        show_tokens(model, "Deutschland und Italien", [1.0])


def test_a_view_is_saved_as_a_page(model, tmp_path):
    view = interp.show_tokens(model, "中文")
    assert view.html in view.save(tmp_path / "tokens.html").read_text(encoding="utf-8")
    assert "\n" not in repr(view)
