"""Shares of a study divide its jobs: every job falls to exactly one process, and no share that does not exist is measured."""

from __future__ import annotations

from dataclasses import dataclass, field

import pytest

from probes.report import Report
from probes.study import Study


@dataclass(frozen=True, kw_only=True)
class Letters(Study[str, list[str]]):
    """A study of letters, which notes what it was asked to measure."""

    asked: list[list[str]] = field(default_factory=list)

    def jobs(self):
        return list("abcdefg")

    def scores(self, jobs, folder):
        self.asked.append(list(jobs))
        return list(jobs)

    def measure(self, folder) -> Report:
        raise NotImplementedError


@pytest.mark.parametrize("count", [1, 3, 7, 9])
def test_every_job_falls_to_one_share_and_shares_are_equally_large(count):
    study = Letters()
    for index in range(count):
        study.share("nowhere", index, count)
    assert sorted(job for mine in study.asked for job in mine) == study.jobs()
    assert len(study.asked) == min(count, 7), "a share without jobs measures nothing"
    sizes = [len(mine) for mine in study.asked]
    assert max(sizes) - min(sizes) <= 1


@pytest.mark.parametrize(("index", "count"), [(-1, 2), (2, 2), (0, 0)])
def test_a_share_that_does_not_exist_is_refused(index, count):
    study = Letters()
    with pytest.raises(ValueError, match=f"got index {index} of {count} shares"):
        study.share("nowhere", index, count)
    assert not study.asked
