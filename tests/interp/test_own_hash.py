"""A function of one's own is another one where its source, its bound arguments or the state of its object is another."""

from __future__ import annotations

import functools
import json
import math
import subprocess
import sys
from pathlib import Path

import numpy as np

import interp.own_hash
from interp.own_code import own_code
from interp.own_hash import code_hash

MODULE = """
import functools, re

def score(hypotheses, references, sources, language, k=1):
    return [float(k) for _ in hypotheses]

class Scorer:
    def __init__(self, k):
        self.k, self.tags, self.pattern, self.me = k, {"b", "a"}, re.compile("x"), self
        self.key = lambda text: text.lower()

    def __call__(self, hypotheses, references, sources, language):
        return [float(self.k) for _ in hypotheses]

    def scores(self, hypotheses, references, sources, language):
        return self(hypotheses, references, sources, language)

partial = functools.partial(score, k=K)
thing = Scorer(K)
method = Scorer(K).scores
cached = functools.cache(functools.partial(score, k=K))
"""


def _score(hypotheses, k=1):
    return [k for _ in hypotheses]


def _made(k):
    return lambda hypotheses: [k for _ in hypotheses]


class Scorer:
    def __init__(self, **state):
        self.__dict__ = state

    def __call__(self, hypotheses):
        return [1.0 for _ in hypotheses]


def test_another_argument_state_or_closure_is_another_function():
    kinds = [
        lambda k: functools.partial(_score, k=k), _made, lambda k: Scorer(k=k), lambda k: Scorer(k=k).__call__,
        lambda k: Scorer(deep={"a": [k]}), lambda k: Scorer(table=np.array([k, 2.0])), lambda k: functools.partial(Scorer(k=k)),
        lambda k: Scorer(path=Path(str(k))), lambda k: Scorer(of=_made(k)),
    ]  # fmt: skip
    for make in kinds:
        assert code_hash(make(1)) == code_hash(make(1))
        assert code_hash(make(1)) != code_hash(make(2))
    assert len({code_hash(call) for call in (math.sqrt, math.exp, "a".join, "b".join, str.upper, np.add, np.subtract)}) == 7


def test_a_hash_is_that_of_the_next_process_and_not_that_of_functools(tmp_path):
    script = "import json, my_code; from interp.own_code import own_code\nprint(json.dumps([own_code(f'my_code:{each}', "
    script += "'interp.text_metrics').sha for each in ('partial', 'thing', 'method', 'cached')]))"
    root = str(Path(interp.own_hash.__file__).parents[1])

    def hashes(k: str) -> list[str]:
        (tmp_path / "my_code.py").write_text(MODULE.replace("K)", f"{k})"), encoding="utf-8")
        done = subprocess.run(
            [sys.executable, "-Bc", script], cwd=tmp_path, env={"PYTHONPATH": root}, capture_output=True, check=True
        )
        return json.loads(done.stdout)

    first, changed, again = hashes("3"), hashes("40"), hashes("3")
    assert first == again
    assert len({*first, *changed}) == 8


bound = functools.partial(_score, k=5)
scorer = Scorer(k=1)
at_once = scorer.__call__


def test_what_has_no_name_of_its_own_is_called_by_the_variable_that_holds_it():
    def name(call) -> str:
        own = own_code(call, "interp.text_metrics")
        assert own is not None
        return own.name

    assert [name(call) for call in (bound, scorer, at_once)] == [f"{__name__}:{each}" for each in ("bound", "scorer", "at_once")]
    assert name(functools.partial(_score, k=7)) == f"{__name__}:_score"
    assert name(Scorer(k=7)) == f"{__name__}:Scorer"
    assert name(math.sqrt) == "math:sqrt"
