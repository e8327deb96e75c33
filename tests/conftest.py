"""Every test runs `interp` and `probes` with their annotations checked: shapes by jaxtyping, types by beartype.

The packages themselves import neither beartype nor the hook. It must be installed before either package is imported.
"""

from __future__ import annotations

import functools
import os
import sys
from collections.abc import Callable
from typing import Any, Self, get_args

import pytest
import torch
from beartype import beartype
from jaxtyping import install_import_hook


def checked(function: Callable) -> Callable:
    """`function` with its annotations checked at the first call, when every class of its module is known."""
    typed: list[Callable] = []

    @functools.wraps(function)
    def call(*args: Any, **kwargs: Any) -> Any:
        if not typed:
            typed.append(_typed(function))
        return typed[0](*args, **kwargs)

    return call


def _typed(function: Callable) -> Callable:
    names = vars(sys.modules[function.__module__])
    function.__annotations__ = {name: _known(hint, names) for name, hint in function.__annotations__.items()}
    return beartype(function)


def _known(hint: Any, names: dict[str, Any]) -> Any:
    """The annotation itself, or `Any` where it is there for a type checker only: a TYPE_CHECKING import, or `Self`."""
    if isinstance(hint, str):
        try:
            hint = eval(hint, dict(names))
        except NameError:
            return Any
    return Any if _mentions_self(hint) else hint


def _mentions_self(hint: Any) -> bool:
    return hint is Self or any(_mentions_self(part) for part in get_args(hint))


torch.set_num_threads(1)  # on models this small a second thread costs more than it gives
os.register_at_fork(after_in_child=lambda: torch.set_num_threads(1))  # else it waits for threads that its parent kept
os.environ["CUDA_VISIBLE_DEVICES"] = ""  # tests are about the CPU: "auto" must not pick a GPU that happens to be there
os.environ["HF_HUB_OFFLINE"] = "1"  # before huggingface_hub is imported: a test that asks a hub must fail at once
install_import_hook(["interp", "probes"], "tests.conftest.checked")


@pytest.fixture(autouse=True)
def _bars_as_in_a_new_process(monkeypatch: pytest.MonkeyPatch) -> None:
    """A command that another test ran in this process has switched progress bars off for all that follow."""
    monkeypatch.delenv("TQDM_DISABLE", raising=False)
