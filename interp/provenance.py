"""Where a number comes from: identities of the model and the corpus, and the one-line signature under every figure."""

from __future__ import annotations

import platform
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import asdict, dataclass, field
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any

from interp.files.checks import validate


@dataclass(frozen=True)
class ModelIdentity:
    """Which weights: a name, and a hash of all parameters (`interp.identify`)."""

    name: str
    sha: str
    layers: int
    d_model: int
    dtype: str

    def __str__(self) -> str:
        return f"{self.name}@{self.sha[:8]}"


@dataclass(frozen=True)
class CorpusIdentity:
    """Which text: a name, a hash of all ids and sentences, and the number of items."""

    name: str
    sha: str
    n: int

    def __str__(self) -> str:
        return f"{self.name}@{self.sha[:8]}"


@dataclass(frozen=True)
class Signature:
    """The printable line that says how a number was made, after sacreBLEU's (Post 2018).

    `mexa|model:bundled@1f2e3d4c|corpus:cldr:names@9f3e0a1b|site:residual|pool:mean|n:120|boot:1000|seed:0|v:0.1.0`
    """

    measure: str
    model: ModelIdentity
    corpus: CorpusIdentity
    settings: Mapping[str, Any] = field(default_factory=dict)
    version: str = field(default_factory=lambda: version())

    def fields(self) -> dict[str, str]:
        """All fields by name, as text."""
        own = {key: str(value) for key, value in self.settings.items()}
        return {"measure": self.measure, "model": str(self.model), "corpus": str(self.corpus), "n": str(self.corpus.n),
                **own, "v": self.version}  # fmt: skip

    def __str__(self) -> str:
        parts = self.fields()
        return "|".join([parts.pop("measure"), *(f"{key}:{value}" for key, value in parts.items())])

    def differences(self, other: Signature) -> dict[str, tuple[str, str]]:
        """The fields in which this signature and `other` differ, with both values. Empty if the numbers are comparable."""
        own, others = self.fields(), other.fields()
        keys = [*own, *(key for key in others if key not in own)]
        return {key: (own.get(key, ""), others.get(key, "")) for key in keys if own.get(key) != others.get(key)}

    def to_dict(self) -> dict[str, object]:
        """Plain values for JSON, for `from_dict`."""
        return {**asdict(self), "settings": dict(self.settings), "line": str(self)}

    @classmethod
    def from_dict(cls, plain: Mapping[str, object]) -> Signature:
        """The signature of the values `plain` of `to_dict`. Raises `ValueError` if a field is missing or has another type."""
        return validate(cls, plain, "signature")


def version() -> str:
    """The installed version of this project."""
    return metadata.version("interp")


_HOMES_OF = {"umap": "umap-learn", "sklearn": "scikit-learn", "yaml": "pyyaml", "babel": "Babel", "fontTools": "fonttools"}
"""The libraries whose module has another name."""


def install_command(module: str) -> str:
    """The shell command that installs the library of a `module` into this environment, in the range that this project takes.

    >>> install_command("peft").partition(" -m ")[2]
    "pip install 'peft>=0.19'"
    """
    name = _HOMES_OF.get(module.partition(".")[0], module.partition(".")[0])
    declared = (re.match(r"[\w.-]+[^;\s]*", each) for each in metadata.requires("interp") or ())
    ranges = {re.split(r"[<>=!~\[]", each[0])[0].casefold().replace("_", "-"): each[0] for each in declared if each}
    return shlex.join([sys.executable, "-m", "pip", "install", ranges.get(name.casefold().replace("_", "-"), name)])


TESTED = {"transformers": "5.23.0", "transformer-lens": "4.3.0", "torch": "2.13.0"}
"""The versions in constraints.txt of the libraries that decide what a model computes."""


_PINNED: ContextVar[dict[str, str] | None] = ContextVar("pinned", default=None)


def versions() -> dict[str, str]:
    """Versions of the libraries that decide the numbers: interp, torch, transformers, transformer-lens. Part of every cache key."""
    installed = environment()
    return {name: installed[name] for name in ("interp", "torch", "transformers", "transformer-lens")}


def environment() -> dict[str, str]:
    """Versions for a manifest: those installed now or, inside `pinned`, at its start."""
    return dict(_PINNED.get() or _installed())


@contextmanager
def pinned(**more: str) -> Iterator[None]:
    """Keep `environment()` constant in this block, whatever is installed meanwhile. An outer block takes precedence.

    Parameters
    ----------
    more
        Further facts for the manifest, such as `device="cuda"`.
    """
    token = _PINNED.set(_PINNED.get() or {**_installed(), **more})
    try:
        yield
    finally:
        _PINNED.reset(token)


def _installed() -> dict[str, str]:
    names = ("interp", "torch", "transformers", "transformer-lens", "numpy", "scipy", "scikit-learn", "pandas", "matplotlib")
    installed = {name: metadata.version(name) for name in names}
    commit = _commit()
    threads = {"threads": str(sys.modules["torch"].get_num_threads())} if "torch" in sys.modules else {}
    return {
        "python": platform.python_version(),
        "platform": sys.platform,
        **installed,
        **({"commit": commit} if commit else {}),
        **threads,
    }


@cache
def _commit() -> str:
    """The git commit of this project's checkout, with "+" where files were changed since; empty where it is no checkout."""
    root = Path(__file__).parents[1]
    if not (root / ".git").exists():
        return ""
    try:
        said = [
            subprocess.run(["git", "-C", str(root), *args], capture_output=True, text=True, timeout=20, check=True).stdout
            for args in (("rev-parse", "HEAD"), ("status", "--porcelain", "--untracked-files=no"))
        ]
    except (OSError, subprocess.SubprocessError):
        return ""
    return said[0].strip() + ("+" if said[1].strip() else "")
