"""Rows of the calibration table, kept in a file as they finish, so that a run of hours can be stopped and continued."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

from experiments.benchmarks.verdicts.rows import Budget, Checks, Row


def kept_rows(path: Path | None, command: str, checks: Checks, budget: Budget) -> Iterator[Row]:
    """The rows of a `command`: those kept in the file where it was finished with this budget or a larger one, else new ones.

    Parameters
    ----------
    path
        A file of one JSON object a line, made where there is none: a row of a command, or that the command is finished. None: rows
        are not kept.
    command
        The name in `COMMANDS`.
    checks
        What makes the rows.
    budget
        Rows of another seed, of fewer simulations, or of the middle sizes alone where all are asked for, are not taken. Each row is
        taken from the run that made it of the most simulations.
    """
    if path is None:
        yield from checks(budget)
        return
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.is_file() else []
    own = [line for line in lines if (line["command"], line["seed"], line["quick"]) == (command, budget.seed, budget.quick)]
    finished = [line["simulations"] for line in own if line["row"] is None and line["simulations"] >= budget.simulations]
    if finished:
        rows = [Row(*line["row"]) for line in own if line["row"] is not None]
        names = dict.fromkeys(tuple(line["row"][:3]) for line in own if line["row"] and line["simulations"] == finished[-1])
        for name in names:  # a run that was stopped may have had more of a row
            yield max((row for row in rows if row[:3] == name), key=lambda row: row.simulations)
        return
    path.parent.mkdir(parents=True, exist_ok=True)
    for row in checks(budget):
        _append(path, command, budget, row)
        yield row
    _append(path, command, budget, None)


def rows_of(path: Path, command: str, budget: Budget) -> Iterator[Row]:
    """All rows of a `command` that the file at `path` holds, finished or not; each from the run with the most simulations.

    `budget` says of which seed, and whether of the middle sizes alone.
    """
    best: dict[tuple[object, ...], Row] = {}
    for line in map(json.loads, path.read_text().splitlines()):
        if (line["command"], line["seed"], line["quick"]) == (command, budget.seed, budget.quick) and line["row"] is not None:
            row = Row(*line["row"])
            best[row[:3]] = max(best.get(row[:3], row), row, key=lambda each: each.simulations)
    yield from best.values()


def _append(path: Path, command: str, budget: Budget, row: Row | None) -> None:
    line = {"command": command, "seed": budget.seed, "quick": budget.quick, "simulations": budget.simulations}
    with path.open("a") as file:
        file.write(json.dumps({**line, "row": row and [_plain(cell) for cell in row]}) + "\n")


def _plain(cell: object) -> object:
    """A cell of a row as JSON has it: numpy's numbers and truths are none of its."""
    return cell.item() if hasattr(cell, "item") else cell
