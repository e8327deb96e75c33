"""The examples in the docstrings of `interp` and `probes` run, and give what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import interp.tuning

ROOT = Path(__file__).parents[1]
QUIET = ("-n", "0", "-q", "-p", "no:cacheprovider")


@pytest.mark.parametrize("package", ["interp", "probes"])
def test_the_examples_of_a_package_run(package):
    """In a process of its own: the checks of types that the tests install hide wrapped functions from doctest."""
    command = [sys.executable, "-m", "pytest", "--doctest-modules", *QUIET, package]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=ROOT, env=offline, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("name", sorted({*interp.tuning.__all__} - {"TEMPLATES"}))
def test_a_public_name_of_tuning_has_an_example(name):
    assert ">>>" in getattr(interp.tuning, name).__doc__
