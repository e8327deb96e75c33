"""A bar over a battery of which a part was computed before: what was found takes no time, and the rest is not told as fast."""

from __future__ import annotations

import io

import pytest

from interp.progress import Progress, shown


@pytest.mark.parametrize("disable", [False, True])
def test_what_was_found_counts_as_done_but_not_as_speed(disable: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with Progress(total=10, disable=disable) as bar:
        bar.found(6)
        bar.update(2)
        if not disable:
            facts = bar.format_dict
            assert (facts["n"], facts["initial"], facts["rate"]) == (8, 6, None)
            line = bar.format_meter(**{**facts, "elapsed": 20.0})
            assert "8/10" in line
            assert "20<00:20, 10.00s/item" in line, "two items took 20 seconds, and two are left"


def test_the_bar_of_a_battery_is_left_open_and_one_of_its_own_is_closed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stderr", io.StringIO())
    with Progress(total=4) as battery:
        with shown(battery, total=1, desc="lens", unit="prompt") as bar:
            assert bar is battery
        assert not battery.disable
    with shown(None, total=1, desc="lens", unit="prompt") as bar:
        assert bar.total == 1
    assert bar.disable, "a closed bar writes nothing more"
