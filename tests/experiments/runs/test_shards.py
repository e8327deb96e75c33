"""Several processes at one question: shares, who answers, who is refused, and that a kill costs time and nothing else."""

from __future__ import annotations

import json
import multiprocessing
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import pytest

import experiments.__main__ as cli
from experiments.runs.shards import Shard, meet, stand_alone
from experiments.settings.settings import Settings
from interp.files.lock import locked
from probes.report import Report
from tests.experiments.pages.test_page import Curves, curves


@dataclass(frozen=True)
class LettersSettings(Settings):
    """Which letters were found?"""

    output: Path = Path("runs/letters")
    """The run folder to write."""
    fail: str = ""


LETTERS = tuple("abcde")
done: list[str] = []


class Letters(Curves):
    """An awkward report without a figure worth the time."""

    def figures(self):
        from matplotlib.figure import Figure

        return {"dot": Figure(figsize=(1, 1))}


def share(settings: LettersSettings, shard: Shard) -> None:
    for letter in shard.mine(LETTERS):
        if settings.fail == letter:
            raise KeyboardInterrupt
        path = settings.output / f"{letter}.txt"
        if not path.exists():
            done.append(letter)
            path.write_text(letter)
    if settings.fail == "stage" and meet(settings, shard, "lower"):
        done.append(f"upper {shard}")


def run(settings: LettersSettings) -> Report:
    share(settings, Shard())
    done.append("answer")
    with open(settings.output.parent / "answers", "a") as file:
        file.write("answer\n")
    return curves("".join(path.stem for path in sorted(settings.output.glob("?.txt"))), Letters)


@pytest.fixture(autouse=True)
def command(monkeypatch):
    """Makes this module a command, and this process one that no launcher started."""
    done.clear()
    monkeypatch.setitem(cli.COMMANDS, "test_shards", (__name__, "Which letters were found?"))
    for name in ("RANK", "WORLD_SIZE"):
        monkeypatch.delenv(name, raising=False)


def interp(*args: object) -> int:
    return cli.main(["test_shards", *map(str, args)])


def test_over_all_shares_each_thing_is_somebodys_once():
    for count in (1, 2, 3, 7):
        parts = [Shard(index, count).mine(range(5)) for index in range(count)]
        assert sorted(thing for part in parts for thing in part) == list(range(5))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1


def test_a_share_is_read_from_the_flag_or_from_the_launcher():
    assert Shard.of("2/4", {}) == Shard(1, 4)
    assert str(Shard.of("2/4", {})) == "2/4"
    assert Shard.of(None, {"RANK": "3", "WORLD_SIZE": "8"}) == Shard(3, 8)
    assert Shard.of(None, {"RANK": "0", "WORLD_SIZE": "1"}) == Shard.of(None, {}) == Shard(0, 1)
    for wrong in ("0/2", "3/2", "2", "a/b", "-1/2"):
        with pytest.raises(ValueError, match="as 1/4"):
            Shard.of(wrong, {})
    with pytest.raises(ValueError, match="Leave --shard out"):
        Shard.of("1/2", {"RANK": "1", "WORLD_SIZE": "2"})


@pytest.mark.parametrize(
    ("gpus", "rank", "processes", "own"),
    [(None, 1, 4, "2,3"), (None, 5, 8, "5"), ("4,5,6,7", 1, 2, "6,7"), ("GPU-a,GPU-b", 2, 3, "GPU-a"), ("", 1, 2, "")],
)
def test_processes_of_one_launcher_divide_the_gpus_and_then_stand_alone(monkeypatch, gpus, rank, processes, own):
    monkeypatch.setattr("torch.cuda.device_count", lambda: 8)
    found = {"RANK": "9", "WORLD_SIZE": "16", "LOCAL_RANK": str(rank), "LOCAL_WORLD_SIZE": str(processes), "HOME": "/"}
    found |= {} if gpus is None else {"CUDA_VISIBLE_DEVICES": gpus}
    stand_alone(found)
    assert found == {"HOME": "/", "CUDA_VISIBLE_DEVICES": own}
    assert Shard.of(None, found) == Shard()


def test_where_accelerate_starts_one_process_instead_of_several_that_is_said(caplog):
    assert Shard.of(None, {"ACCELERATE_MIXED_PRECISION": "no"}) == Shard()
    assert not caplog.text, "one was wanted"
    assert Shard.of(None, {"ACCELERATE_MIXED_PRECISION": "no", "MASTER_ADDR": "127.0.0.1"}) == Shard()
    assert "started one process" in caplog.text


def test_the_last_to_finish_answers(tmp_path, capsys):
    folder = tmp_path / "run"
    assert interp("--output", folder, "--shard", "3/3") == 0
    assert capsys.readouterr().out == "shard 3 of 3 is done; 2 more to go\n"
    assert interp("--output", folder, "--shard", "1/3") == 0
    assert not (folder / "manifest.json").exists()
    assert interp("--output", folder, "--shard", "2/3") == 0
    assert done == ["c", "a", "d", "b", "e", "answer"]
    assert json.loads((folder / "manifest.json").read_text())["report"] == "Letters"
    assert "runs" not in capsys.readouterr().out.splitlines()[0]


def test_a_share_that_was_begun_goes_on_only_with_resume(tmp_path, capsys):
    folder = tmp_path / "run"
    assert interp("--output", folder, "--shard", "1/2", "--fail", "c") == 130
    assert interp("--output", folder, "--shard", "2/2", "--fail", "c") == 0, "the other share needs no --resume to join"
    done.clear()
    assert interp("--output", folder, "--shard", "1/2", "--fail", "c") == 2
    assert "--resume" in capsys.readouterr().err
    (folder / "config.yaml").write_text((folder / "config.yaml").read_text().replace("fail: c", "fail: ''"))
    (folder / "shards" / "2-of-2" / "done.json").write_text('{"asked": "something else"}')
    assert interp("--output", folder, "--shard", "1/2", "--resume") == 0
    assert done == ["c", "e"], "what was there is not done again, and a mark of another question is not believed"
    assert interp("--output", folder, "--shard", "2/2", "--resume") == 0
    assert done == ["c", "e", "answer"]
    assert interp("--output", folder, "--shard", "2/2", "--resume") == 0
    assert capsys.readouterr().out.splitlines()[-1] == f"{folder} is finished."
    assert interp("--output", folder, "--shard", "2/2") == 2


def test_files_that_no_run_wrote_are_left_alone_and_what_a_kill_left_is_not_such(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("x")
    assert interp("--output", tmp_path, "--shard", "1/2") == 2
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / ".config-k1ll3d.yaml").write_text("model")
    assert interp("--output", tmp_path / "run", "--shard", "1/2") == 0


def test_the_second_stage_waits_for_shares_at_work_and_not_for_others(tmp_path):
    folder = tmp_path / "run"
    interp("--output", folder, "--fail", "stage", "--shard", "1/2")
    interp("--output", folder, "--fail", "stage", "--shard", "2/2")
    assert done == ["a", "c", "e", "b", "d", "upper 2/2", "upper 1/1", "answer"], "the first found nobody at the other share"
    done.clear()
    settings = LettersSettings(output=tmp_path / "other", fail="stage").resolved()
    (settings.output / "shards" / "2-of-2").mkdir(parents=True)
    with multiprocessing.get_context("fork").Pool(1) as pool, ExitStack() as held:
        held.enter_context(locked(settings.output / "shards" / "2-of-2"))
        waits = pool.apply_async(meet, (settings, Shard(0, 2), "lower"))
        with pytest.raises(multiprocessing.TimeoutError):
            waits.get(1)
        assert meet(settings, Shard(1, 2), "lower"), "the other is there already"
        assert waits.get(5)


def test_a_share_of_another_question_is_refused(tmp_path, capsys):
    folder = tmp_path / "run"
    assert interp("--output", folder, "--shard", "1/2") == 0
    assert interp("--output", folder, "--shard", "2/2", "--seed", "1") == 2
    assert "holds a run with seed 0, but got 1" in capsys.readouterr().err
    assert interp("--output", folder, "--shard", "2/3") == 2
    assert interp("--output", folder, "--shard", "2/2", "--device", "cpu") == 2, "a device is asked, its number is not"


def test_gpus_of_one_kind_share_a_question():
    one, other = (LettersSettings(device=f"cuda:{n}").asked() for n in (0, 1))
    assert one == other == LettersSettings(device="cuda").asked() != LettersSettings(device="cpu").asked()


def test_nobody_answers_while_a_share_is_computed(tmp_path, capsys):
    folder = tmp_path / "run"
    assert interp("--output", folder, "--shard", "1/2") == 0
    with locked(folder, shared=True):
        assert interp("--output", folder, "--resume") == 2
        assert "is in use by process" in capsys.readouterr().err
    with locked(folder / "shards" / "2-of-2"):
        assert interp("--output", folder, "--shard", "2/2", "--resume") == 2
    assert "answer" not in done


def test_a_single_process_may_finish_what_shares_began(tmp_path):
    folder = tmp_path / "run"
    assert interp("--output", folder, "--shard", "1/2") == 0
    assert interp("--output", folder) == 2
    assert interp("--output", folder, "--resume") == 0
    assert done == ["a", "c", "e", "b", "d", "answer"]


@pytest.mark.parametrize("resume", [(), ("--resume",)])
def test_of_processes_that_finish_together_one_answers(tmp_path, resume):
    """With --resume every share is done already, and all of them want to answer at once."""
    folder = tmp_path / "run"
    args = ["--output", str(folder), "--shard"]
    if resume:
        for n in range(1, 5):
            interp(*args, f"{n}/4")
        (folder / "manifest.json").unlink()
        (tmp_path / "answers").unlink()
    fork = multiprocessing.get_context("fork")
    processes = [fork.Process(target=_exit, args=([*args, f"{n}/4", *resume],)) for n in range(1, 5)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    assert [process.exitcode for process in processes] == [0] * 4
    assert (tmp_path / "answers").read_text() == "answer\n"
    assert (folder / "manifest.json").is_file()


def _exit(args: list[str]) -> None:
    raise SystemExit(interp(*args))


def test_a_question_that_cannot_be_shared_names_those_that_can(tmp_path, capsys):
    assert cli.main(["patch", "--shard", "1/2", "--output", str(tmp_path / "run")]) == 2
    assert "patch is for one process. Several can share" in capsys.readouterr().err
    assert not (tmp_path / "run").exists()
