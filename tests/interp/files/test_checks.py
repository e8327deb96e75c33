"""A file name from elsewhere is one in its folder, on every system."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

from interp.files.checks import safe_path
from probes.report import _with_file_names


@pytest.mark.parametrize("name", ["", ".", "..", "a/b", "..\\b", "/etc/passwd", "C:\\x", "c:x", "a\0b"])
def test_a_name_that_is_a_path_on_any_system_is_refused(name, tmp_path):
    with pytest.raises(ValueError, match="expected a name without a path"):
        safe_path(tmp_path, name)


def test_a_figure_of_any_label_has_a_name_that_every_system_takes():
    labels = ["eng_Latn>deu_Latn", "eng_Latn:deu_Latn", 'a "b" | c?*', "<x>", "x" * 300, "a/b", "a\\b"]
    found = _with_file_names({label: SimpleNamespace(label=label) for label in labels})
    assert [figure.label for figure in found.values()] == labels
    assert all(re.fullmatch(r"[\w.+-]{1,83}", name) for name in found)
