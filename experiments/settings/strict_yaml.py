"""Read YAML strictly: plain values, each key once, no aliases, which could expand a small file without limit."""

from __future__ import annotations

from collections.abc import Hashable
from pathlib import Path

import yaml

LARGEST = 1 << 20
"""Bytes of a file beyond which it is no recipe."""


class _Loader(yaml.SafeLoader):
    """Safe values without aliases: a reference to a reference to a reference is a bomb."""

    def compose_node(self, parent: yaml.Node | None, index: int) -> yaml.Node | None:
        if self.check_event(yaml.AliasEvent):
            raise yaml.YAMLError(f"*{self.peek_event().anchor} refers to another value; write the value itself")
        return super().compose_node(parent, index)

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, object]:
        keys: set[str] = set()
        for key, _ in node.value:
            if key.value in keys if isinstance(key, yaml.ScalarNode) else True:
                raise yaml.YAMLError(f"key {str(key.value)[:60]!r} occurs twice, or is not text")
            keys.add(key.value)
        return super().construct_mapping(node, deep)


def read_yaml(path: Path) -> dict[str, object]:
    """The keys and values of a YAML file. Raises `ValueError` where it holds anything else."""
    if not path.is_file():
        raise ValueError(f"{path} is not a file, expected a recipe.")
    if path.stat().st_size > LARGEST:
        raise ValueError(f"{path}: got a file over {LARGEST >> 20} MiB, expected a recipe.")
    try:
        values = yaml.load(path.read_text(encoding="utf-8"), _Loader)
    except (yaml.YAMLError, ValueError, OverflowError, RecursionError) as error:
        raise ValueError(f"{path} is not readable as YAML: {error}") from None
    if values is None:
        return {}
    if not isinstance(values, dict):
        raise ValueError(f"{path}: got a {type(values).__name__}, expected one `key: value` on each line.")
    return values
