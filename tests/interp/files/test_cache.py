"""A kept result is believed where the same libraries would compute it from the same things, and nowhere else."""

from __future__ import annotations

import pytest
import torch

from interp.files.cache import Cache, describe_differences, differences

OF = {"weights": "a1", "prompts": ["x", "y"], "sources": (1, 2)}
BY = {"transformers": "5.23.0", "device": "cpu"}
ROW = {"row": torch.arange(3.0)}


def test_a_result_is_found_by_what_it_is_of_in_any_order(tmp_path):
    cache = Cache(tmp_path, BY)
    cache.keep(OF, ROW, seconds=3)
    again = cache.find(dict(reversed(OF.items())))
    assert torch.equal(again["row"], ROW["row"])
    assert cache.find({**OF, "weights": "b2"}) is None
    assert len(list(tmp_path.iterdir())) == 1


@pytest.mark.parametrize(
    ("by", "words"),
    [
        ({**BY, "transformers": "5.24.0"}, "another transformers ('5.23.0', now '5.24.0')"),
        ({**BY, "device": "cuda"}, "another device ('cpu', now 'cuda')"),
        ({**BY, "torch": "2.13.0"}, "another torch (None, now '2.13.0')"),
        ({"device": "cpu"}, "another transformers ('5.23.0', now None)"),
    ],
)
def test_what_something_else_computed_is_named_and_computed_again(by, words, tmp_path, caplog):
    Cache(tmp_path, BY).keep(OF, ROW)
    other = Cache(tmp_path, by)
    with caplog.at_level("WARNING"):
        assert other.find(OF) is None
    assert words in caplog.text
    assert str(other.path(OF)) in caplog.text
    assert torch.equal(other.get(OF, lambda: {"row": torch.ones(2)})["row"], torch.ones(2))
    assert torch.equal(other.get(OF, lambda: pytest.fail("it was kept"))["row"], torch.ones(2))


def test_a_file_under_another_name_is_of_something_else(tmp_path, caplog):
    cache = Cache(tmp_path, BY)
    cache.keep(OF, ROW)
    other = {**OF, "weights": "b2"}
    cache.path(OF).rename(cache.path(other))
    with caplog.at_level("WARNING"):
        assert cache.find(other) is None
    assert "another weights ('a1', now 'b2')" in caplog.text


def test_facts_differ_as_a_file_would_hold_them():
    assert differences({"a": (1, 2)}, {"a": [1, 2]}) == {}
    assert differences({"a": 1, "b": 2}, {"a": 1, "c": 3}) == {"b": (2, None), "c": (None, 3)}
    assert describe_differences({"a": (1, 2), "b": ("x" * 99, None)}).startswith("another a (1, now 2) and another b ('xxx")
    assert len(describe_differences({"b": ("x" * 9999, None)})) < 100
