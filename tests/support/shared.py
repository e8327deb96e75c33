"""Real text beside the checkout of a developer; tests that use it are skipped where it is absent."""

from pathlib import Path

SHARED = Path(__file__).parents[3] / "shared"
DATA = SHARED / "data"
