"""Two devices that are none: numbers on the CPU that say they lie on `toy:0` or `toy:1`, and refuse to be mixed.

What a model split over two GPUs would trip over can so be seen without one: every operation runs on the CPU, after a look at
whether its tensors lie on one device, as CUDA demands. Registering the devices lasts as long as the process: use one of its own.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_flatten, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

_AT = torch.ops.aten
_MOVES = {_AT._to_copy.default, _AT.copy_.default}
_LOOKUPS = {_AT.index.Tensor, _AT.index_put_.default, _AT._index_put_impl_.default}
_CPU = torch.device("cpu")


@contextmanager
def two_devices() -> Iterator[None]:
    """Inside, `toy:0` and `toy:1` are places for tensors."""
    _setup_privateuseone_for_python_backend("toy", _Backend())
    with _Dispatched(), _Constructed():
        yield


class Placed(torch.Tensor):
    """A CPU tensor under the name of another device."""

    @staticmethod
    def __new__(cls, inner: torch.Tensor, device: torch.device) -> Placed:
        return torch.Tensor._make_wrapper_subclass(
            cls, inner.shape, strides=inner.stride(), storage_offset=inner.storage_offset(), dtype=inner.dtype, device=device
        )

    def __init__(self, inner: torch.Tensor, device: torch.device) -> None:
        self.inner = inner

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _run(func, args, kwargs or {})


class _Dispatched(TorchDispatchMode):
    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        return _run(func, args, kwargs or {})


class _Constructed(TorchFunctionMode):
    """What goes around the dispatcher: tensors made of lists, looked up by lists, and made into lists."""

    def __torch_function__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = dict(kwargs or {})
        if func is torch.tensor and kwargs.get("device") is not None:
            device = kwargs.pop("device")
            return func(*args, **kwargs).to(device)
        if func is torch.Tensor.tolist and isinstance(args[0], Placed):
            return args[0].inner.tolist()
        if func in (torch.Tensor.__getitem__, torch.Tensor.__setitem__):
            where = args[1] if isinstance(args[1], tuple) else (args[1],)
            where = tuple(torch.tensor(list(each)) if isinstance(each, list | range) else each for each in where)
            args = (args[0], where if len(where) > 1 else where[0], *args[2:])
        return func(*args, **kwargs)


class _Backend(_DummyBackendModule):
    """A device that nobody finds by looking."""

    def is_available(self) -> bool:
        return False

    def device_count(self) -> int:
        return 0


def _run(func: Callable, args: tuple, kwargs: dict[str, Any]) -> Any:
    given = [each for each in tree_flatten((args, kwargs))[0] if isinstance(each, torch.Tensor)]
    where = given[0].device if func in _MOVES else _one_device(func, args, given)
    plain, named = tree_map(lambda each: each.inner if isinstance(each, Placed) else each, (args, kwargs))
    if kwargs.get("device") is not None:
        where, named = torch.device(kwargs["device"]), {**named, "device": _CPU, "pin_memory": False}
        if func is _AT._to_copy.default:
            del named["pin_memory"]
    same = {id(each.inner): each for each in given if isinstance(each, Placed)}

    def placed(each: Any) -> Any:
        if not isinstance(each, torch.Tensor) or where == _CPU:
            return each
        return same[id(each)] if id(each) in same else Placed(each, where)

    return tree_map(placed, func(*plain, **named))


def _one_device(func: Callable, args: tuple, given: list[torch.Tensor]) -> torch.device:
    """Where the operation runs. As on CUDA, numbers without an axis may come from the CPU, and so may what looks up rows."""
    looked_up = [id(each) for each in tree_flatten(args[1])[0]] if func in _LOOKUPS else []
    places = {each.device for each in given if each.device != _CPU or not (each.ndim == 0 or id(each) in looked_up)}
    if len(places) > 1:
        raise RuntimeError(f"{func}: tensors on {', '.join(sorted(map(str, places)))}")
    return places.pop() if places else _CPU
