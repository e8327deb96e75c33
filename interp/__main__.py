"""The command `interp`, also `python -m interp`: it runs this project's `experiments` and `probes`, and no others of these names.

The two names are common. A folder `experiments` of your own, in the working directory or in PYTHONPATH, would come first in the
search for a module; so the two packages are taken from where `interp` itself lies.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from importlib import import_module
from importlib.machinery import PathFinder
from importlib.util import module_from_spec
from pathlib import Path


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command line `argv`, by default that of the process. Returns the exit code."""
    for name in ("probes", "experiments"):
        take_ours(name, Path(__file__).parents[1])
    return int(import_module("experiments.__main__").main(argv))


def take_ours(name: str, home: Path) -> None:
    """Import the package `name` from the folder `home`, wherever else one of that name may be found.

    Raises `ImportError` where it is not there: the installation is not whole.
    """
    found = sys.modules.get(name)
    if found is not None and Path(str(found.__file__)).parent == home / name:
        return
    spec = PathFinder.find_spec(name, [str(home)])
    if spec is None or spec.loader is None:
        raise ImportError(f"this installation has no {name} beside {home / 'interp'}. Install it again.", name="interp")
    module = module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)


if __name__ == "__main__":
    sys.exit(main())
