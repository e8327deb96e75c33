"""A copied prefix with room: it grows as one without, and what it was copied from stays as it was."""

from __future__ import annotations

import torch
from transformers import DynamicCache

from interp.interventions.grid.cells import fork
from interp.interventions.grid.room import OwnLayer


def read(cache, *lengths, rows):
    """What two layers give for some calls with random keys and values, the same in every cache."""
    rng, seen = torch.Generator().manual_seed(0), []
    for length in lengths:
        for layer in (0, 1):
            keys, values = (torch.randn(rows, 2, length, 4, generator=rng) for _ in range(2))
            seen = [*seen, *cache.update(keys, values, layer)]
    return seen


def test_a_fork_with_room_grows_as_one_without_also_past_its_room():
    past = DynamicCache()
    read(past, 3, rows=2)
    before = [layer.keys.clone() for layer in past.layers]
    for room in (1, 3, 8):
        ours, plain = fork(past, 3, room=room), fork(past, 3)
        for one, other in zip(read(ours, 2, 1, 1, rows=6), read(plain, 2, 1, 1, rows=6), strict=True):
            assert torch.equal(one, other)
        assert ours.get_seq_length() == plain.get_seq_length() == 7
    assert past.get_seq_length() == 3
    assert all(torch.equal(layer.keys, kept) for layer, kept in zip(past.layers, before, strict=True))


def test_a_layer_of_its_own_holds_what_was_read_at_its_place_and_zeros_elsewhere():
    layer, rng = OwnLayer(4, torch.arange(2)), torch.Generator().manual_seed(0)
    new = [torch.randn(3, 2, length, 4, generator=rng) for length in (2, 1, 1)]
    for place, given in zip(((0, 1), (2,), (3,)), new, strict=True):
        layer.place = torch.tensor(place)
        keys, values = layer.update(given, -given)
        assert torch.equal(values, -keys)
        assert not keys[:, :, place[-1] + 1 :].any()
    assert torch.equal(keys, torch.cat(new, dim=2))
