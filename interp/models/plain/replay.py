"""Work that is the same at every step, recorded once on a GPU and replayed there without Python in between."""

from __future__ import annotations

import logging
from collections.abc import Callable

import torch
from torch import Tensor

_log = logging.getLogger(__name__)


def replayed(run: Callable[[], Tensor]) -> Callable[[], Tensor]:
    """What does the same as `run` at every call, on a GPU as one CUDA graph from the second call on.

    Parameters
    ----------
    run
        Reads and writes the same tensors, in place, at every call, and does nothing else. What it returns is overwritten by the
        next call.

    Notes
    -----
    A step of many small kernels takes longer to start than to run: hundreds of modules are called in Python for each. Where the
    work cannot be recorded (it waits for a value, as routing to experts does), it runs as it is.
    """
    graph: torch.cuda.CUDAGraph | None = None
    result: Tensor | None = None
    calls = 0

    def again() -> Tensor:
        nonlocal graph, result, calls
        calls += 1
        if graph is None and calls == 2 and torch.cuda.is_available() and result is not None and result.is_cuda:
            graph, result = _recorded(run, result)
        if graph is None or result is None:
            result = run()
            return result
        graph.replay()
        return result

    return again


def _recorded(run: Callable[[], Tensor], last: Tensor) -> tuple[torch.cuda.CUDAGraph | None, Tensor]:
    """The graph of `run` and where it writes its result; no graph and `last` where it cannot be recorded."""
    graph = torch.cuda.CUDAGraph()
    try:
        with torch.cuda.graph(graph, capture_error_mode="thread_local"):
            result = run()
    except RuntimeError as error:
        torch.cuda.synchronize()
        _log.info("a step is run and not replayed: %s", str(error).splitlines()[0][:200])
        return None, last
    return graph, result
