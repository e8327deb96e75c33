"""Several processes tune one model as a single one does: the same examples in every update, the same weights but for rounding."""

from __future__ import annotations

import multiprocessing
import os
import socket

import pytest
import torch
from accelerate.state import AcceleratorState
from safetensors.torch import load_file

import experiments.__main__ as cli
from interp.tuning import TunedModel
from tests.support.tiny import tiny_folder

FLAGS = ("--languages", "de", "--limit", "40", "--samples", "32", "--form", "quoted", "--batch", "8", "--device-batch", "2",
         "--held-out", "0.2", "--learning-rate", "0.01", "--device", "cpu")  # fmt: skip


def test_two_processes_learn_what_one_learns(tmp_path):
    """26 examples in updates of 8: the last update of each of the two epochs is a short one."""
    args = ["tune", "--model", str(tiny_folder("llama", tmp_path / "parent")), *FLAGS, "--steps", "7", "--output"]
    assert cli.main([*args, str(tmp_path / "one")]) == 0
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=_launched, args=(rank, port, [*args, str(tmp_path / "two")])) for rank in (0, 1)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0, 0]
    one, two = (TunedModel.load(tmp_path / run) for run in ("one", "two"))
    assert (one.steps, two.details["processes"]) == (two.steps, 2)
    losses = [[entry["loss"] for entry in run.details["history"] if "loss" in entry] for run in (one, two)]
    assert losses[0] == pytest.approx(losses[1], abs=1e-5)
    before, after = (load_file(tmp_path / run / "model.safetensors") for run in ("one", "two"))
    assert set(before) == set(after)
    for name in before:
        torch.testing.assert_close(before[name], after[name], atol=1e-5, rtol=0)


def _launched(rank: int, port: int, args: list[str]) -> None:
    """A process as `accelerate launch --multi_gpu --num_processes 2` starts it where there is no GPU."""
    where = {
        "RANK": rank,
        "LOCAL_RANK": rank,
        "WORLD_SIZE": 2,
        "LOCAL_WORLD_SIZE": 2,
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": port,
        "OMP_NUM_THREADS": 1,  # as the launcher sets it
    }
    os.environ |= {name: str(value) for name, value in where.items()}
    AcceleratorState._reset_state(reset_partial_state=True)
    raise SystemExit(cli.main(args))
