"""The command line: settings from recipe and flags, run folders that refuse, resume and tell, errors in one line."""

from __future__ import annotations

import html
import json
import re
import sys
from dataclasses import dataclass
from importlib import import_module, metadata
from pathlib import Path
from typing import Literal, get_args, get_type_hints

import pandas as pd
import pytest
import yaml
from matplotlib.figure import Figure

import experiments.__main__ as cli
from experiments import tour
from experiments.settings.recipe_list import recipes
from experiments.settings.settings import RECIPES, Settings, parse, read_recipe, settings_of
from interp.files.lock import locked
from probes.report import Report
from tests.experiments.pages.test_page import Curves, curves


@dataclass(frozen=True)
class CountSettings(Settings):
    """How often was this question asked?"""

    output: Path = Path("runs/count")
    """The run folder to write."""
    depth: Literal["shallow", "deep"] = "shallow"
    """How deep to look."""
    fail: str = ""


class Count(Curves):
    """The awkward report with a figure that is drawn at once."""

    def figures(self) -> dict[str, Figure]:
        return {"dot": Figure(figsize=(1, 1))}


asked: list[CountSettings] = []


def run(settings: CountSettings) -> Report:
    """A question of this module, as `experiments` has them: it counts, fails on demand, and answers with curves."""
    asked.append(settings)
    if settings.fail == "early" and len(asked) == 1:
        raise OSError("no such model")
    (settings.output / "activations").mkdir(exist_ok=True)
    errors = {"value": ValueError("two\nlines"), "stop": KeyboardInterrupt(), "bug": KeyError("bug")}
    if settings.fail in errors and len(asked) == 1:
        raise errors[settings.fail]
    return curves(settings.model, Count)


@pytest.fixture(autouse=True)
def count(monkeypatch):
    """Makes this module the command `count`."""
    asked.clear()
    monkeypatch.setitem(cli.COMMANDS, "test_commands", (__name__, "How often was this question asked?"))


def interp(*args: object) -> int:
    return cli.main(["test_commands", *map(str, args)])


def test_flags_read_as_they_are_written():
    settings = parse(CountSettings, "--languages de zho_Hans swh_Latn --pivot en --limit 3 --depth deep --resume".split())  # noqa: SIM905
    assert settings.languages == ("de", "zho_Hans", "swh_Latn")
    assert (settings.limit, settings.depth, settings.resume) == (3, "deep", True)
    assert settings.resolved().wanted == ("eng_Latn", "deu_Latn", "zho_Hans", "swh_Latn")
    assert parse(CountSettings, []).wanted is None


def test_a_flag_wins_over_the_recipe_and_the_recipe_over_the_default(tmp_path):
    recipe = tmp_path / "r.yaml"
    recipe.write_text("languages: [deu_Latn]\nlimit: 5\ndepth: deep\n")
    settings = parse(CountSettings, ["--config", str(recipe), "--limit", "7"])
    assert (settings.languages, settings.limit, settings.depth, settings.seed) == (("deu_Latn",), 7, "deep", 0)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("langages: [de]", "r.yaml: unknown key 'langages'. Did you mean languages?"),
        ("resume: true", "r.yaml: unknown key 'resume'"),
        ("limit: many", "r.yaml: limit: got 'many'. Input should be a valid integer"),
        ("limit: 1.5", "r.yaml: limit: got 1.5"),
        ("depth: abyss", "r.yaml: depth: got 'abyss'. Input should be 'shallow' or 'deep'"),
        ("languages: [deu_Latn, no]", "r.yaml: languages.1: got False. Input should be a valid string. YAML reads an unquoted no"),
        ("languages: deu_Latn", "r.yaml: languages: got 'deu_Latn'"),
        ("command: lens", "r.yaml: got a recipe for 'lens'"),
        ("- a\n- b", "r.yaml: got a list"),
        ("a: [", "r.yaml is not readable as YAML"),
    ],
)
def test_a_wrong_recipe_is_told_in_one_line(tmp_path, capsys, text, told):
    recipe = tmp_path / "r.yaml"
    recipe.write_text(text)
    assert interp("--config", recipe, "--output", tmp_path / "run") == 2
    error = capsys.readouterr().err
    assert told in error
    assert error.startswith("interp test_commands: error: ")
    assert error.count("\n") == 1
    assert not asked


def test_an_unknown_recipe_names_those_there_are(tmp_path, capsys):
    assert interp("--config", "nowhere") == 2
    assert "got recipe 'nowhere', expected" in capsys.readouterr().err


def test_config_yaml_reads_back_as_the_settings_that_wrote_it(tmp_path):
    settings = CountSettings(languages=("de", "no"), limit=3, dtype="float16", fail="value").resolved()
    (tmp_path / "config.yaml").write_text(settings.to_yaml(), encoding="utf-8")
    assert read_recipe(CountSettings, tmp_path / "config.yaml") == settings


def test_a_run_folder_is_whole_and_shown(tmp_path, capsys):
    folder = tmp_path / "run"
    assert interp("--output", folder, "--languages", "de", "zh", "--page") == 0
    files = {path.name for path in folder.iterdir()}
    numbers = {"config.yaml", "started.json", "table.parquet", "summary.csv", "manifest.json", "run.log"}
    assert files >= {*numbers, "figure.svg", "figure.pdf", "page.html"}
    order = ("config.yaml", "started.json", "table.parquet", "summary.csv", "figure.svg", "manifest.json")
    times = [(folder / name).stat().st_mtime_ns for name in order]
    assert times == sorted(times)
    assert "deu_Latn" in (folder / "config.yaml").read_text()
    assert "asking" in (folder / "run.log").read_text()
    out = capsys.readouterr().out
    manifest = json.loads((folder / "manifest.json").read_text())
    assert out.rstrip().endswith(manifest["signature"]["line"])
    assert str(folder) in out
    assert manifest["verdict"] in out


def test_a_finished_folder_is_shown_again_and_not_computed(tmp_path, capsys):
    folder = tmp_path / "run"
    interp("--output", folder)
    first = capsys.readouterr().out
    written = (folder / "manifest.json").stat().st_mtime_ns
    assert interp("--output", folder, "--resume") == 0
    assert capsys.readouterr().out == first
    assert (folder / "manifest.json").stat().st_mtime_ns == written
    assert len(asked) == 1


@pytest.mark.parametrize("name", ["summary.csv", "manifest.json", "table.parquet"])
def test_a_finished_folder_that_was_altered_is_computed_again(tmp_path, name):
    folder = tmp_path / "run"
    interp("--output", folder)
    whole = (folder / "summary.csv").read_text()
    (folder / name).write_text("estimate\n1\n")
    assert interp("--output", folder, "--resume") == 0
    assert len(asked) == 2
    assert (folder / "summary.csv").read_text() == whole
    assert json.loads((folder / "manifest.json").read_text())["report"] == "Count"


def test_a_folder_is_never_overwritten_without_resume(tmp_path, capsys):
    folder = tmp_path / "run"
    interp("--output", folder)
    assert interp("--output", folder) == 2
    assert "--resume" in capsys.readouterr().err
    assert len(asked) == 1


def test_a_folder_of_another_question_is_refused_by_the_field_that_differs(tmp_path, capsys):
    folder = tmp_path / "run"
    interp("--output", folder, "--languages", "de")
    assert interp("--output", folder, "--resume", "--languages", "German") == 0, "another spelling is the same language"
    capsys.readouterr()
    assert interp("--output", folder, "--resume", "--languages", "de", "--depth", "deep") == 2
    assert "holds a run with depth 'shallow', but got 'deep'" in capsys.readouterr().err
    config = (folder / "config.yaml").read_text().replace("command: test_commands", "command: lens")
    (folder / "config.yaml").write_text(config)
    assert interp("--output", folder, "--resume", "--languages", "de") == 2
    assert "got a recipe for 'lens'" in capsys.readouterr().err


def test_files_that_no_run_wrote_are_left_alone(tmp_path, capsys):
    (tmp_path / "thesis.tex").write_text("x")
    for flags in ((), ("--resume",)):
        assert interp("--output", tmp_path, *flags) == 2
        assert "holds files that no run wrote" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_folder_in_use_by_another_process_is_refused(tmp_path, capsys):
    with locked(tmp_path / "run"):
        assert interp("--output", tmp_path / "run") == 2
    assert "is in use by process" in capsys.readouterr().err


def test_an_expected_error_is_one_line_and_its_traceback_is_in_the_log(tmp_path, capsys):
    assert interp("--output", tmp_path / "run", "--fail", "value") == 2
    assert capsys.readouterr().err == "interp test_commands: error: two lines\n"
    assert "Traceback" in (tmp_path / "run" / "run.log").read_text()


@pytest.mark.parametrize(("fail", "kind"), [("value", ValueError), ("bug", KeyError)])
def test_debug_shows_the_traceback(fail, kind, tmp_path):
    with pytest.raises(kind, match=r"two|bug"):
        interp("--output", tmp_path / "a", "--fail", fail, "--debug")


def test_a_run_that_failed_before_it_computed_is_started_anew(tmp_path):
    """A mistyped model leaves a folder that the mended command may use without more ado."""
    folder = tmp_path / "run"
    assert interp("--output", folder, "--fail", "early", "--model", "bundeld") == 2
    assert interp("--output", folder) == 0
    assert "model: bundled" in (folder / "config.yaml").read_text()


def test_a_run_that_failed_after_it_had_computed_leaves_its_folder_to_the_corrected_command(tmp_path, caplog):
    folder = tmp_path / "run"
    assert interp("--output", folder, "--fail", "value", "--limit", "3") == 2
    (folder / "activations" / "half").write_text("computed")
    assert interp("--output", folder, "--limit", "4") == 0
    assert "limit: 4" in (folder / "config.yaml").read_text()
    assert not (folder / "failed.txt").exists()
    aside = tmp_path / "run-failed-1"
    assert (aside / "activations" / "half").read_text() == "computed", "nothing that was computed is deleted"
    assert "ValueError: two" in (aside / "failed.txt").read_text()
    assert f"fail 'value', but got ''. The run in it had failed: what it left is in {aside}" in caplog.text


def test_a_run_that_failed_goes_on_with_the_same_settings(tmp_path):
    folder = tmp_path / "run"
    assert interp("--output", folder, "--fail", "value") == 2
    (folder / "activations" / "half").write_text("computed")
    assert interp("--output", folder, "--fail", "value") == 0
    assert (folder / "activations" / "half").read_text() == "computed"
    assert not list(tmp_path.glob("run-*"))
    assert interp("--output", folder, "--limit", "4") == 2, "a finished run is never overwritten"


def test_resume_says_every_setting_that_differs(tmp_path, capsys):
    folder = tmp_path / "run"
    interp("--output", folder, "--fail", "stop", "--limit", "3")
    capsys.readouterr()
    assert interp("--output", folder, "--limit", "4", "--depth", "deep", "--resume") == 2
    error = capsys.readouterr().err
    assert "limit 3, but got 4; depth 'shallow', but got 'deep'; fail 'stop', but got ''." in error


def test_a_stopped_run_says_how_to_go_on_and_goes_on(tmp_path, capsys):
    folder = tmp_path / "a run"
    assert interp("--output", folder, "--fail", "stop") == 130
    assert f"Continue with: interp test_commands --output '{folder}' --fail stop --resume" in capsys.readouterr().err
    assert interp("--output", folder, "--fail", "stop") == 2, "what was begun is not overwritten"
    assert interp("--output", folder, "--fail", "stop", "--resume") == 0


def test_an_unknown_command_names_the_nearest(capsys):
    assert cli.main(["algin"]) == 2
    assert capsys.readouterr().err.endswith("Did you mean align?\n")


@pytest.mark.parametrize("args", [[], ["--help"], ["-h"]])
def test_help_lists_every_command(capsys, args):
    assert cli.main(args) == 0
    out = capsys.readouterr().out
    for command, (_, line) in cli.COMMANDS.items():
        assert f"  {command}" in out
        assert line in out


@pytest.mark.parametrize("args", [["help"], ["help", "align"], ["help", "check"], ["help", "nope"]])
def test_help_may_be_a_word(capsys, args):
    if args[1:] in (["align"], ["check"]):
        with pytest.raises(SystemExit):
            cli.main(args)
        assert f"interp {args[1]}" in capsys.readouterr().out
    elif args[1:]:
        assert cli.main(args) == 2
        assert "got command 'nope', expected one of check, read, align" in capsys.readouterr().err
    else:
        assert cli.main(args) == 0
        assert "interp COMMAND" in capsys.readouterr().out


@pytest.mark.parametrize("flag", ["--version", "-V"])
def test_the_version_is_that_of_the_package(capsys, flag):
    import interp as package

    assert cli.main([flag]) == 0
    assert capsys.readouterr().out == f"interp {metadata.version('interp')}\n"
    assert package.__version__ == metadata.version("interp")
    assert "__version__" in dir(package)


def test_recipes_are_listed_with_command_question_and_paper_in_80_columns(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    assert cli.main(["recipes"]) == 0
    shown = capsys.readouterr().out
    listed = {each.name: each for each in recipes()}
    shipped = {path.stem if path.suffix == ".yaml" else path.name for path in RECIPES.iterdir() if path.suffix in (".yaml", ".py")}
    assert set(listed) == shipped
    assert all(name in shown for name in shipped), "no name is cut"
    assert "MEXA (Kargaran 2025)" in " ".join(shown.split())
    assert listed["mexa"].command == "align"
    assert max(map(len, shown.splitlines()[:-1])) <= 80


def test_a_recipe_is_printed_as_it_stands(capsys):
    for name in ("mexa", "patch_capital.py"):
        assert cli.main(["recipes", name]) == 0
        path = RECIPES / (name if name.endswith(".py") else f"{name}.yaml")
        assert capsys.readouterr().out == path.read_text(encoding="utf-8")
    assert cli.main(["recipes", "mexxa"]) == 2
    assert "Did you mean mexa?" in capsys.readouterr().err


def test_every_command_has_its_own_help(capsys):
    for command in cli.COMMANDS:
        with pytest.raises(SystemExit) as left:
            cli.main([command, "--help"])
        assert left.value.code == 0
        shown = capsys.readouterr().out
        assert f"interp {command}" in shown
        assert "(default: )" not in " ".join(shown.replace("│", " ").split())
        assert ("--shard" in shown) == hasattr(import_module(cli.COMMANDS[command][0]), "share"), "offered where it is taken"


@pytest.mark.parametrize(("command", "fewest"), [("neurons", 16), ("steer", 4)])
def test_too_few_sentences_are_refused_with_the_number_that_suffices(command, fewest, capsys, tmp_path):
    module, flags = import_module(f"experiments.{command}"), ["--languages", "zh", "--output", str(tmp_path / "run")]
    assert cli.main([command, *flags, "--plan", "--limit", "2"]) == 2
    assert re.search(
        rf"got 2 sentences( \(or documents\))?, expected at least {fewest}\b", " ".join(capsys.readouterr().err.split())
    )
    first, second = module._halves(parse(settings_of(module), [*flags, "--limit", str(fewest)]))
    assert len(first) == len(second) == fewest // 2


def test_a_help_text_breaks_at_the_edge_of_the_window_alone(capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "400")
    with pytest.raises(SystemExit):
        cli.main(["tune", "--help"])
    shown = capsys.readouterr().out
    assert "untie them (the output keeps a copy), or train both. (default: refuse)" in shown
    assert "With either, weights are trained in float32, and the tuned model" in shown


TEXT = {
    "eng_Latn": "cat sleeps,dog runs,bird sings,wide river,red house,warm bread,two fish,snow falls,I see you",
    "deu_Latn": "Katze schläft,Hund läuft,Vogel singt,breiter Fluss,rotes Haus,warmes Brot,zwei Fische,Schnee fällt,ich sehe dich",
    "zho_Hans": "猫睡觉,狗在跑,鸟唱歌,宽河,红房子,热面包,两条鱼,下雪了,我看见你",
}


@pytest.fixture(scope="module")
def world(tmp_path_factory) -> list[str]:
    """A tiny model and a tiny parallel corpus, as flags of every command."""
    from tests.support.tiny import tiny_folder

    root = tmp_path_factory.mktemp("world")
    (root / "corpus").mkdir()
    for code, text in TEXT.items():
        (root / "corpus" / f"{code}.txt").write_text(text.replace(",", "\n") + "\n", encoding="utf-8")
    return ["--model", str(tiny_folder("llama", root / "model")), "--corpus", str(root / "corpus"), "--device", "cpu"]


def test_align_answers_and_its_page_shows_the_verdict(world, tmp_path, capsys):
    folder = tmp_path / "run"
    options = ["--languages", "de", "zh", "--metrics", "mexa", "--random-init", "--page"]
    assert cli.main(["align", *world, *options, "--output", str(folder)]) == 0
    manifest = json.loads((folder / "manifest.json").read_text())
    summary = pd.read_csv(folder / "summary.csv")
    assert set(summary["language"]) == {"deu_Latn", "zho_Hans"}
    assert {"estimate", "lower", "upper", "n", "baseline", "random_init"} <= set(summary)
    assert manifest["verdict"] in capsys.readouterr().out
    shown = html.unescape(re.sub(r"<[^>]*>", "", (folder / "page.html").read_text(encoding="utf-8")))
    assert manifest["verdict"] in " ".join(shown.split())


def test_align_killed_in_its_second_language_gives_the_same_table_when_resumed(world, tmp_path, monkeypatch):
    args = ["align", *world, "--metrics", "mexa", "--output"]
    assert cli.main([*args, str(tmp_path / "whole")]) == 0
    capture = sys.modules["interp.activations.capture"]
    pool, calls = capture.pool_language, []

    class Killed(BaseException):
        """Nothing catches it, as nothing catches a signal."""

    def counted(*given):
        calls.append(given)
        if len(calls) == 2:
            raise Killed
        return pool(*given)

    monkeypatch.setattr(capture, "pool_language", counted)
    with pytest.raises(Killed):
        cli.main([*args, str(tmp_path / "cut")])
    assert not (tmp_path / "cut" / "manifest.json").exists()
    assert cli.main([*args, str(tmp_path / "cut"), "--resume"]) == 0
    assert len(calls) == 2 + 2, "the first language is not captured again"
    tables = [pd.read_parquet(tmp_path / run / "table.parquet") for run in ("whole", "cut")]
    pd.testing.assert_frame_equal(*tables)


def test_a_model_that_is_not_there_is_one_line(world, tmp_path, capsys):
    assert cli.main(["align", *world, "--model", str(tmp_path / "nowhere"), "--output", str(tmp_path / "run")]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "nowhere" in error


def test_align_takes_the_poolings_that_capture_has():
    """They are spelled again in the settings, since asking capture for them would import torch."""
    from experiments.align import AlignSettings
    from interp.activations.capture import Pooling

    assert get_args(get_type_hints(AlignSettings)["pooling"]) == get_args(Pooling)


@pytest.mark.parametrize("path", sorted(RECIPES.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_shipped_recipe_is_one_of_its_command(path):
    command = yaml.safe_load(path.read_text(encoding="utf-8"))["command"]
    read_recipe(settings_of(import_module(cli.COMMANDS[command][0])), path)


def test_page_of_several_runs_goes_where_they_lie(tmp_path, capsys):
    for name in ("a", "b"):
        curves(name, Count).save(tmp_path / "runs" / name)
    assert cli.main(["page", str(tmp_path / "runs" / "a"), str(tmp_path / "runs" / "b")]) == 0
    assert (tmp_path / "runs" / "page.html").read_text(encoding="utf-8").count("<article") == 2
    assert cli.main(["page", str(tmp_path / "runs" / "a"), "--output", str(tmp_path / "one.html")]) == 0
    assert (tmp_path / "one.html").read_text(encoding="utf-8").count("<article") == 1
    assert cli.main(["page"]) == 2


def test_the_tour_asks_every_chapter_and_binds_one_page(tmp_path, monkeypatch, capsys):
    chapters = (CountSettings(limit=3), CountSettings(output=Path("runs/deeper"), depth="deep"))
    monkeypatch.setattr(tour, "CHAPTERS", chapters)
    monkeypatch.setattr("experiments.ask.announce", lambda _: None)  # which would look for the model m
    args = ["tour", "--output", str(tmp_path / "tour"), "--model", "m"]
    assert cli.main(args) == 0
    assert [(one.model, one.depth, one.output.name) for one in asked] == [("m", "shallow", "count"), ("m", "deep", "deeper")]
    assert (tmp_path / "tour" / "page.html").read_text(encoding="utf-8").count("<article") == 2
    assert capsys.readouterr().out.rstrip().endswith(str(tmp_path / "tour" / "page.html"))
    assert cli.main([*args, "--resume"]) == 0
    assert len(asked) == 2


def test_a_chapter_of_the_tour_finds_what_an_earlier_one_tuned():
    made = [chapter.output.name for chapter in tour.CHAPTERS]
    named = [
        (place, path)
        for place, each in enumerate(tour.CHAPTERS)
        for path in (getattr(each, "before", ""), getattr(each, "after", ""))
    ]
    assert any(path for _, path in named)
    for place, path in named:
        assert not path or path in made[:place]


def test_every_chapter_of_the_tour_reads_as_its_command_would_write_it(tmp_path):
    for chapter in tour.CHAPTERS:
        (tmp_path / "config.yaml").write_text(chapter.resolved().to_yaml(), encoding="utf-8")
        assert read_recipe(type(chapter), tmp_path / "config.yaml").asked() == chapter.resolved().asked()
