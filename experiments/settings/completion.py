"""`interp completion SHELL`: a script by which a shell completes commands, options and the words that an option may have."""

from __future__ import annotations

import dataclasses
import shlex
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import import_module
from typing import Annotated, Literal, get_args, get_type_hints

import tyro

from experiments.settings.flags import parse_flags
from experiments.settings.values import option_names

_SCRIPT = """\
# Completion of interp, by `interp completion {language}`. Made again after an update.
_interp() {{
  local word="${{COMP_WORDS[COMP_CWORD]}}" last="${{COMP_WORDS[COMP_CWORD-1]}}" words=""
  if [ "$COMP_CWORD" -eq 1 ]; then
    words={commands}
  else
    case "${{COMP_WORDS[1]}} $last" in
{values}
      *)
        case "${{COMP_WORDS[1]}}" in
{options}
        esac
        [[ "$word" == -* ]] || words="" ;;
    esac
  fi
  COMPREPLY=($(compgen -W "$words" -- "$word"))
  [ -n "${{COMPREPLY[*]}}" ] || COMPREPLY=($(compgen -f -- "$word"))
}}
complete -o filenames -F _interp interp
"""


@dataclass(frozen=True)
class CompletionSettings:
    """A script by which a shell completes commands, options and the words that an option may have.

    For bash add the line  eval "$(interp completion bash)"  to ~/.bashrc, for zsh the same with zsh to ~/.zshrc; or keep the script
    in a file and source that, which starts faster.

    Example: interp completion bash > ~/.interp-completion
    """

    shell: Annotated[Literal["bash", "zsh"], tyro.conf.Positional] = "bash"
    """The shell."""
    debug: bool = False
    """On an error, show the full traceback."""


def main(args: Sequence[str]) -> None:
    """Print the script for the shell in `args`."""
    print(script(parse_flags(CompletionSettings, args, "completion").shell), end="")


def script(shell: str) -> str:
    """The completion script of a `shell`, bash or zsh, of every command as it is now."""
    from experiments.commands import COMMANDS

    values, options = [], []
    for command, (module, _) in COMMANDS.items():
        own = _options(module)
        options.append(f"          {command}) words={shlex.quote(' '.join([*own, '--help']))} ;;")
        values += [f"      '{command} {option}') words={shlex.quote(' '.join(words))} ;;" for option, words in own.items() if words]
    values.append(f"      'help help') words={shlex.quote(' '.join(COMMANDS))} ;;")
    start = "autoload -U +X bashcompinit && bashcompinit\n" if shell == "zsh" else ""
    commands = shlex.quote(" ".join([*COMMANDS, "help", "--version"]))
    return start + _SCRIPT.format(language=shell, commands=commands, values="\n".join(values), options="\n".join(options))


def _options(module: str) -> dict[str, tuple[str, ...]]:
    """The options of a command, each with the words it may have, where these are known."""
    kinds = [kind for kind in vars(import_module(module)).values() if isinstance(kind, type) and kind.__module__ == module]
    found: dict[str, tuple[str, ...]] = {}
    for kind in kinds:
        if not kind.__name__.endswith("Settings"):
            continue
        hints, names = get_type_hints(kind, include_extras=False), option_names(kind)
        for field in dataclasses.fields(kind):
            words = tuple(sorted({word for word in _words(hints[field.name]) if word}))
            off = field.type == "bool" and field.default is True
            found[f"--{'no-' if off else ''}{names[field.name]}"] = words
    return found


def _words(hint: object) -> list[str]:
    """The words of every `Literal` in a type."""
    parts = get_args(hint)
    words = [part for part in parts if isinstance(part, str)]
    return words + [word for part in parts if not isinstance(part, str) for word in _words(part)]
