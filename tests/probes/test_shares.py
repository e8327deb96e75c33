"""Shares of a list divide it: every part falls to exactly one process."""

from __future__ import annotations

import pytest

from probes.shares import take_share


@pytest.mark.parametrize("count", [1, 3, 7])
def test_every_part_of_many_lists_falls_to_one_share_and_shares_are_equally_large(count):
    lists = [["a"], ["b", "c"], [], ["d"], ["e", "f", "g"]]
    shares = []
    for index in range(count):
        before, mine = 0, []
        for parts in lists:
            mine += take_share(parts, index, count, before)
            before += len(parts)
        shares.append(mine)
    assert sorted(letter for mine in shares for letter in mine) == list("abcdefg")
    assert max(map(len, shares)) - min(map(len, shares)) <= 1


@pytest.mark.parametrize(("index", "count"), [(-1, 2), (2, 2), (0, 0)])
def test_a_share_that_is_none_is_refused(index, count):
    with pytest.raises(ValueError, match=f"got index {index} of {count} shares"):
        take_share(["a"], index, count)
