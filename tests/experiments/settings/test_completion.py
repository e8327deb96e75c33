"""The completion script is one that bash runs, and offers what the commands take."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from experiments.commands import COMMANDS
from experiments.settings.completion import script


def completed(*words: str) -> set[str]:
    """What bash offers after some words of a command line."""
    line = " ".join(f"'{word}'" for word in words)
    code = f"{script('bash')}\nCOMP_WORDS=({line}); COMP_CWORD={len(words) - 1}; _interp; printf '%s\\n' \"${{COMPREPLY[@]}}\""
    found = subprocess.run(["bash", "--norc", "-c", code], capture_output=True, text=True, timeout=600, check=True)
    return set(found.stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_commands_options_and_their_words():
    assert completed("interp", "") >= {*COMMANDS, "help"}
    assert completed("interp", "tra") == {"transplant", "translate"}
    assert completed("interp", "align", "--met") == {"--metrics"}
    assert {"--site", "--model", "--resume", "--help"} <= completed("interp", "align", "--")
    assert completed("interp", "align", "--erase", "le") == {"leace"}
    assert completed("interp", "atlas", "--no") == {"--no-umap", "--no-random-init"}
    assert completed("interp", "compare", "--wi") == {"--with"}


def test_zsh_reads_the_same_with_its_bridge():
    assert script("zsh").replace("completion zsh", "completion bash").endswith(script("bash"))
    assert script("zsh").startswith("autoload -U +X bashcompinit")
