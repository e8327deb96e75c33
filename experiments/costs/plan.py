"""What will a run cost? Counted from its settings, its text, the tokenizer and the sizes of its model, before it runs."""

from __future__ import annotations

import logging
import sys
import time
from typing import TYPE_CHECKING, Protocol

from experiments.costs.cost import Cost, Size, Work, size_of
from experiments.costs.foresight import unprovable
from experiments.settings.needs import check_installed

if TYPE_CHECKING:
    from interp.models.load import TransformerBridge

LONG = 60.0
"""Seconds above which a run says at its start what it costs."""
_log = logging.getLogger(__name__)
_SI = ("", "k", "M", "G", "T", "P", "E", "Z")


class Planned(Protocol):
    """The settings of a command whose module has `work(settings, model)`."""

    @property
    def command(self) -> str: ...
    @property
    def run_model(self) -> str | None: ...
    @property
    def device(self) -> str | None: ...
    @property
    def dtype(self) -> str | None: ...
    @property
    def plan_rate(self) -> float | None: ...


def count(settings: Planned) -> tuple[Cost, TransformerBridge | None]:
    """Count the work of a run from its settings, resolved: its cost, and the outline of its model, if it runs one.

    Raises `ValueError` for what the run itself would refuse: an unknown model, corpus or language, for example. What needs no model
    (`check(settings)` of the command's module, where it has one) is looked at before its configuration is.
    """
    from experiments.costs.outline import outline
    from interp.models.checkpoints.folders import locate

    module = sys.modules[type(settings).__module__]
    check_installed("pyarrow", "matplotlib")
    if settings.run_model is not None and not settings.run_model.endswith(".gguf"):
        locate(settings.run_model, None)
    if hasattr(module, "check"):
        module.check(settings)
    if settings.run_model is None:
        return Cost(Size(0, 0, 0, 0, 0), ()), None
    model = outline(settings.run_model, dtype=settings.dtype, device=settings.device)
    works = dict[tuple[str, int, Size | None], Work]()
    for work in module.work(settings, model):
        key = (work.what, work.passes, work.size)
        works[key] = works[key] + work if key in works else work
    return Cost(size_of(model), tuple(work for work in works.values() if work.forwards)), model


def check_first(settings: Planned) -> None:
    """Raise `ValueError` for what the run of these `settings` would refuse, as `count` does; the cost itself is not needed."""
    try:
        count(settings)
    except (RuntimeError, KeyError, IndexError, TypeError, AttributeError) as error:
        _log.info("the cost of this run is not known in advance: %s: %s", type(error).__name__, error)


def show_plan(settings: Planned) -> None:
    """Print what a run costs and how long it takes here, after some seconds of measuring; nothing is written.

    The start is what a run does as well: libraries are imported, the cost is counted, the model is loaded and checked.
    """
    began = time.monotonic()
    import interp
    from experiments.costs.rates import measured

    cost, _ = count(settings)
    lines = [*getattr(settings, "counted", list)(), *describe(cost, settings)]
    if cost.works and settings.run_model:
        model = interp.load(settings.run_model, device=settings.device, dtype=settings.dtype)
        start, memory = time.monotonic() - began, resident(model, cost)
        read, write = measured(model, cost)
        rates = f"measured {number(read, 'FLOP/s')} reading" + (f", {number(write, 'FLOP/s')} writing" if cost.sum("steps") else "")
        lines.append(f"{_time('on this machine', cost.seconds(read, write), rates)}, after {duration(start)} to start and load")
        lines += [f"  the process: about {number(memory, 'B')} of memory, libraries included"] if memory else []
    if settings.plan_rate and cost.works:
        rate = settings.plan_rate
        lines.append(_time(f"at {number(rate, 'FLOP/s')}", cost.flops / rate, "as --plan-rate says, reading and writing alike"))
    print("\n".join([*unprovable(settings), *lines]))


def resident(model: TransformerBridge, cost: Cost) -> int:
    """Bytes of memory of the process at its peak: what it holds with a loaded model, and beside it the largest work.

    0 where the model is not on the CPU, so that memory is that of two devices.
    """
    import psutil

    if str(model.cfg.device) != "cpu":
        return 0
    return int(psutil.Process().memory_info().rss) + max((work.held for work in cost.works), default=0)


def announce(settings: Planned) -> None:
    """Say at the start of a run what it cannot show, and what it costs, where it is estimated above a minute.

    A cost that cannot be counted is only logged; a setting that the run would refuse is refused here, as `count` does.
    """
    from experiments.costs.rates import guessed

    try:
        cost, model = count(settings)
        seconds = guessed(model, cost) if model is not None and cost.works else 0.0
        failed = None
    except (RuntimeError, KeyError, IndexError, TypeError, AttributeError) as error:
        failed = error
    for sentence in unprovable(settings):
        _log.info(sentence)
        print(sentence, file=sys.stderr)
    if failed is not None:
        _log.info("the cost of this run is not known in advance: %s: %s", type(failed).__name__, failed)
        return
    _log.info("cost: %s; about %s", "; ".join(describe(cost, settings)), duration(seconds))
    if seconds > LONG:
        lines = [*describe(cost, settings), _time("on this machine", seconds, "a guess; --plan measures")]
        print("\n".join(lines), file=sys.stderr)


def describe(cost: Cost, settings: Planned) -> list[str]:
    """The lines of a plan without its hours: one for each work, then the totals."""
    if not cost.works:
        return [f"{settings.command}: no forward pass. The model is not run."]
    lines = [f"{settings.command} {settings.run_model}: what it will cost"]
    width = max(len(work.what) for work in cost.works)
    for work in cost.works:
        bound = "" if work.bound == "exact" else f" ({work.bound})"
        tokens = f"{number(work.prefill)} tokens read"
        tokens += f", {number(work.generated)} written" if work.generated else ""
        passes = f" x {work.passes} with the backward pass" if work.passes > 1 else ""
        lines.append(
            f"  {work.what:<{width}}  {named(work.items, 'item')}, {named(work.forwards, 'forward')}{passes}, {tokens}, "
            f"{number(cost.flops_of(work), 'FLOPs')}{bound}"
        )
    most = "" if cost.bound == "exact" else f"{cost.bound} "
    lines.append(
        f"  in all: {most}{named(cost.sum('forwards'), 'forward')}, {number(cost.sum('prefill'))} tokens read and "
        f"{number(cost.sum('generated'))} written, {number(cost.flops, 'FLOPs')}"
    )
    disk = f"{number(cost.stored, 'B')} of tensors" if cost.stored else "small files only"
    lines.append(f"  on disk {disk}; in memory about {number(cost.memory, 'B')}, weights {number(cost.size.bytes, 'B')}")
    return lines


def number(value: float, unit: str = "") -> str:
    """A number with three digits, the prefix of its thousands, and its unit.

    >>> number(1234567, "B"), number(1234567), number(12), number(0.0, "B")
    ('1.23 MB', '1.23 M', '12', '0 B')
    """
    power = 0
    while value >= 999.5 and power < len(_SI) - 1:
        value, power = value / 1000, power + 1
    return f"{value:.3g} {_SI[power]}{unit}".rstrip()


def named(count: int, noun: str) -> str:
    """A count with its noun.

    >>> named(1, "forward"), named(2, "forward")
    ('1 forward', '2 forwards')
    """
    return f"{count} {noun}" if count == 1 else f"{count} {noun}s"


def duration(seconds: float) -> str:
    """A time in hours, or in the unit that suits.

    >>> duration(5400), duration(90), duration(3)
    ('1.5 hours', '1.5 minutes', '3 seconds')
    """
    for name, unit in (("hours", 3600), ("minutes", 60)):
        if seconds >= unit:
            return f"{seconds / unit:.3g} {name}"
    return f"{seconds:.2g} seconds"


def _time(where: str, seconds: float, how: str) -> str:
    return f"  {where}: {duration(seconds)} of forwards ({how})"
