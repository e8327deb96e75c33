"""The examples in the docstrings of `interp` and `probes` run, and give what they say."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

import interp
import interp.tuning
import probes

ROOT = Path(__file__).parents[1]
QUIET = ("-n", "0", "-q", "-p", "no:cacheprovider")


@pytest.mark.parametrize("package", ["interp", "probes"])
def test_the_examples_of_a_package_run(package):
    """In a process of its own: the checks of types that the tests install hide wrapped functions from doctest."""
    command = [sys.executable, "-m", "pytest", "--doctest-modules", *QUIET, package]
    offline = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    run = subprocess.run(command, cwd=ROOT, env=offline, capture_output=True, text=True, timeout=600)
    assert run.returncode == 0, run.stdout + run.stderr


PUBLIC = [f"{package.__name__}.{name}" for package in (interp, probes, interp.tuning) for name in sorted(package.__all__)]


@pytest.mark.parametrize("name", sorted({*PUBLIC} - {"interp.tuning.TEMPLATES", "interp.tuning.Directed"}))
def test_a_public_name_has_an_example(name):
    package, _, own = name.rpartition(".")
    assert ">>>" in getattr(sys.modules[package], own).__doc__
