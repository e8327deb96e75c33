"""A report is read back by a program that has measured nothing."""

import subprocess
import sys
from pathlib import Path

import pytest

import interp
import probes
from interp.text.corpus import ParallelCorpus
from tests.support.tiny import tiny

READ = """
import sys, probes
for folder in sys.argv[1:]:
    report = probes.Report.load(folder)
    print(type(report).__name__, len(report.table), report.signature)
"""


@pytest.fixture(scope="module")
def reports():
    sentences = {code: tuple(f"{word} {n}" for n in range(12)) for code, word in
                 (("eng_Latn", "the cat"), ("deu_Latn", "die Katze"))}  # fmt: skip
    acts = interp.capture(tiny("llama"), ParallelCorpus("made", sentences), progress=False)
    return [probes.measure_alignment(acts, metrics=("mexa",), resamples=20), probes.measure_probes(acts, folds=2, resamples=20)]


def test_a_fresh_session_reads_every_kind_of_report_by_one_name(reports, tmp_path):
    folders = [str(report.save(tmp_path / type(report).__name__)) for report in reports]
    root = Path(probes.__file__).parents[1]
    found = subprocess.run([sys.executable, "-c", READ, *folders], capture_output=True, text=True, cwd=root)
    assert found.returncode == 0, found.stderr
    expected = [f"{type(report).__name__} {len(report.table)} {report.signature}" for report in reports]
    assert found.stdout.splitlines() == expected
    assert len({line.split()[0] for line in expected}) == 2


@pytest.mark.parametrize("package", [interp, probes], ids=["interp", "probes"])
def test_every_public_name_is_completed_and_found(package):
    assert set(package.__all__) <= set(dir(package))
    assert all(getattr(package, name).__name__ for name in package.__all__)
    with pytest.raises(AttributeError, match=rf"^{package.__name__} has no 'lode'. It has "):
        package.lode  # noqa: B018
