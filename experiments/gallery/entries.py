"""All entries of the gallery, in the order of its page."""

from __future__ import annotations

from experiments.gallery.intervening import INTERVENING
from experiments.gallery.observing import OBSERVING
from experiments.gallery.tuning import TUNING

ENTRIES = (*OBSERVING, *INTERVENING, *TUNING)
