"""Copies of a cached prefix with room for the tokens that follow, so that a step writes its keys and copies no others."""

from __future__ import annotations

from typing import cast

from jaxtyping import Int
from torch import Tensor
from transformers import DynamicCache
from transformers.cache_utils import DynamicLayer


def contents(past: DynamicCache) -> list[tuple[Tensor, Tensor]]:
    """Keys and values of every layer of `past`; none where some layer keeps more than these, or forgets."""
    layers = [layer for layer in past.layers if type(layer) is DynamicLayer]
    kept = [(layer.keys, layer.values) for layer in layers if layer.keys is not None and layer.values is not None]
    return kept if len(kept) == len(past.layers) else []


class RoomyLayer(DynamicLayer):
    """The keys and values of one layer, each row `copies` times, before `room` empty places. Past these it grows as any other."""

    def __init__(self, keys: Tensor, values: Tensor, copies: int, room: int) -> None:
        super().__init__()
        self.lazy_initialization(keys, values)
        self._whole = [_with_room(given, copies, room) for given in (keys, values)]
        self.keys, self.values = (whole[:, :, : keys.shape[-2]] for whole in self._whole)

    def update(self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object) -> tuple[Tensor, Tensor]:
        """Write those of new tokens (`key_states`, `value_states`) behind what is there; gives all of them, as views."""
        stop = self.get_seq_length() + key_states.shape[-2]
        if stop > self._whole[0].shape[-2] or len(key_states) != len(self._whole[0]):
            return super().update(key_states, value_states, *args, **kwargs)
        return _write(self, self._whole, key_states, value_states)


class OwnLayer(DynamicLayer):
    """The keys and values of one layer of what is read from now on, in `room` places that are all there from the start.

    New ones are written at `place`, a tensor, so that the same kernels run at every step. Places not yet written hold zeros.
    """

    def __init__(self, room: int, place: Int[Tensor, " token"]) -> None:
        super().__init__()
        self._room, self.place = room, place

    def update(self, key_states: Tensor, value_states: Tensor, *args: object, **kwargs: object) -> tuple[Tensor, Tensor]:
        """Write those of new tokens (`key_states`, `value_states`) at `place`; gives all places, empty ones too."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
            rows, heads, _, width = key_states.shape
            self.keys, self.values = (key_states.new_zeros(rows, heads, self._room, width) for _ in range(2))
        keys, values = cast(Tensor, self.keys), cast(Tensor, self.values)
        keys.index_copy_(2, self.place, key_states)
        values.index_copy_(2, self.place, value_states)
        return keys, values


def _write(layer: DynamicLayer, wholes: list[Tensor], key_states: Tensor, value_states: Tensor) -> tuple[Tensor, Tensor]:
    start = layer.get_seq_length()
    stop = start + key_states.shape[-2]
    for whole, new in zip(wholes, (key_states, value_states), strict=True):
        whole[:, :, start:stop] = new
    layer.keys, layer.values = keys, values = wholes[0][:, :, :stop], wholes[1][:, :, :stop]
    return keys, values


def _with_room(given: Tensor, copies: int, room: int) -> Tensor:
    rows, heads, length, width = given.shape
    whole = given.new_empty(rows, copies, heads, length + room, width)
    whole[:, :, :, :length] = given[:, None]
    return whole.flatten(0, 1)
