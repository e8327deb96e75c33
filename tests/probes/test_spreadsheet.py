"""summary.csv keeps its numbers."""

import numpy as np
import pandas as pd

from probes.spreadsheet import read_spreadsheet, write_spreadsheet


def test_numbers_read_back_to_the_last_bit(tmp_path):
    rng = np.random.default_rng(0)
    table = pd.DataFrame({"estimate": rng.random(2000) * 10.0 ** rng.integers(-300, 300, 2000)})
    write_spreadsheet(table, tmp_path / "summary.csv")
    assert np.array_equal(read_spreadsheet(tmp_path / "summary.csv")["estimate"], table["estimate"])
