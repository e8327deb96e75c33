"""Which language comes first: planted states, prompts as published, labels, tokens, and the command."""

from __future__ import annotations

from xml.etree import ElementTree as ET

import numpy as np
import pandas as pd
import pytest
import torch

from experiments.lens import LensSettings, run
from experiments.settings.settings import RECIPES, parse, read_recipe
from interp.lens import logit_lens as readout
from interp.models.batches import encode, pad
from interp.text import cldr_facts
from interp.text.corpus import ParallelCorpus, ParallelTask
from interp.text.questions.word_lists import read_word_clozes
from interp.vocabulary.spelling import Vocabulary, read_vocabulary
from probes.lens import labels as label_lens
from probes.lens import tokens_figures as figures_tokens
from probes.lens.labels import measure_labels
from probes.lens.latent_language import LatentLanguageStudy, measure_latent_language
from probes.lens.latent_language_report import LatentLanguageReport
from probes.lens.tokens import measure_tokens
from probes.lens.word_prompts import cloze_prompts, translation_prompts
from probes.lens.words import word_sets
from probes.report import Report
from tests.support.shared import SHARED
from tests.support.tiny import tiny, tiny_folder

DATA = SHARED / "data" / "flagged"
# Words of which the tiny tokenizer writes a different first token in every language.
WORDS = ParallelCorpus(
    "words",
    {
        "eng_Latn": ("the", "and", "cat", "dog", "river", "on"),
        "deu_Latn": ("Katze", "Fluss", "Hund", "Stein", "und", "warm"),
        "rus_Cyrl": ("кошка", "на", "тёплом", "собака", "смотрит", "реку"),
    },
)
TASK = ParallelTask(
    "labelled",
    prompts={"eng_Latn": ('Cat? "', 'Dog? "', 'Sun? "', 'Sea? "'), "deu_Latn": ('Katze? "', 'Hund? "', 'Tag? "', 'See? "')},
    answers={"eng_Latn": (("the",), ("and",), ("the",), ("and",)), "deu_Latn": (("Hund",), ("Katze",), ("Hund",), ("Katze",))},
    choices={"eng_Latn": (("the", "and"),) * 4, "deu_Latn": (("Hund", "Katze"),) * 4},
)


def test_translation_prompts_are_written_as_published():
    prompts = translation_prompts(WORDS, "deu_Latn", "rus_Cyrl", shots=2)
    *shown, asked = prompts.prompts[0].split("\n")
    assert asked == 'Deutsch: "Katze" - русский: "'
    lines = [f'Deutsch: "{word}" - русский: "{answer}"' for word, answer in zip(WORDS["de"], WORDS["ru"], strict=True)]
    assert set(shown) <= set(lines[1:])
    assert len(shown) == 2
    again = translation_prompts(WORDS, "de", "ru", shots=2, line="{word}={answer};", names={"de": "x"})
    assert again.prompts[0].endswith("\nKatze=")


def test_an_item_is_never_its_own_example():
    for prompts in (translation_prompts(WORDS, "deu_Latn", "deu_Latn", shots=5), cloze_prompts(TASK, "deu_Latn", shots=1)):
        for row, prompt in enumerate(prompts.prompts):
            assert f'"{prompts.words["deu_Latn"][row]}"' not in prompt.rpartition("\n")[0]


def test_facts_become_clozes_that_close_their_quotes():
    facts = cldr_facts.read_task(["eng_Latn", "deu_Latn"]).select(limit=12)
    prompts = cloze_prompts(facts, "deu_Latn")
    *shown, asked = prompts.prompts[0].split("\n")
    assert asked == facts.prompts["deu_Latn"][0]
    assert shown[0] in {p + a[0] + '"' for p, a in zip(facts.prompts["deu_Latn"], facts.answers["deu_Latn"], strict=True)}


@pytest.mark.parametrize("line", ["{answer} {word}", "{word}", "{word} {answer} {colour}"])
def test_a_line_that_cannot_ask_is_refused(line):
    with pytest.raises(ValueError, match="prompt line"):
        translation_prompts(WORDS, "deu_Latn", "rus_Cyrl", line=line)


def test_more_examples_than_items_are_refused():
    with pytest.raises(ValueError, match="got 6 shots for 6 items"):
        translation_prompts(WORDS, "deu_Latn", "rus_Cyrl", shots=6)


def test_items_that_are_not_fair_are_left_out_and_counted():
    words = ParallelCorpus("w", {"eng_Latn": ("cat", "on", "the"), "deu_Latn": ("catze", "Stein on", "und")})
    vocabulary = read_vocabulary(tiny("llama").tokenizer)
    sets = word_sets(vocabulary, translation_prompts(words, "deu_Latn", "deu_Latn", shots=0), "eng_Latn")
    assert sets.left_out == {"unspelled": 0, "collided": 1, "contained": 1}
    assert sets.rows == (2,)
    with pytest.raises(ValueError, match="none of 1 items is left"):
        word_sets(vocabulary, translation_prompts(words.select(limit=1), "deu_Latn", "deu_Latn", shots=0), "eng_Latn")


def test_unrelated_words_share_no_token_with_the_items_own():
    vocabulary = read_vocabulary(tiny("llama").tokenizer)
    sets = word_sets(vocabulary, translation_prompts(WORDS, "deu_Latn", "rus_Cyrl", shots=0), "eng_Latn", unrelated=3)
    for own, others in zip(sets.own, sets.unrelated, strict=True):
        for language, words in enumerate(others):
            assert len(words) == 3
            assert any(words)
            assert all(not word & (own[0] | own[1] | own[language]) for word in words)


def planted_states(model, words: ParallelCorpus, first: str, then: str, turn: int):
    """A `stream` in which every row up to `turn` holds the output direction of the word in one language, later rows in another."""
    vocabulary = read_vocabulary(model.tokenizer)

    def stream(_, batch, *, last_only=True):
        rows = []
        for ids, mask in zip(batch.ids, batch.mask, strict=True):
            asked = model.tokenizer.decode(ids[mask.bool()], skip_special_tokens=True).rpartition("\n")[2]
            item = next(row for row, word in enumerate(words["deu_Latn"]) if f'"{word}"' in asked)
            token = {code: min(vocabulary.tokens(words[code][item])) for code in (first, then)}
            rows.append([model.W_U[:, token[first if row < turn else then]] for row in range(len(readout.rows_of(model)))])
        return torch.stack([torch.stack(row) for row in rows], 1).detach()[:, :, None]

    return stream


@pytest.mark.parametrize("turn", [2, 4])
def test_states_that_turn_from_english_to_russian_cross_over_there(monkeypatch, turn):
    model = tiny("llama", num_hidden_layers=6)
    monkeypatch.setattr(readout, "stream", planted_states(model, WORDS, "eng_Latn", "rus_Cyrl", turn))
    report = measure_latent_language(model, WORDS, source="deu_Latn", shots=1, controls=False, resamples=100)
    assert report.targets == ("rus_Cyrl",)
    crossover = report.crossover()
    assert (crossover.layer, crossover.lower, crossover.upper) == (readout.rows_of(model)[turn],) * 3
    peak = report.peak("rus_Cyrl")
    assert peak.estimate > 0.1 > 10 * peak.baseline
    summary = report.summary().set_index(["measure", "series", "layer"])
    assert summary.loc[("corrected", "eng_Latn", "embed"), "lower"] > 0
    assert summary.loc[("rank", "eng_Latn", "embed"), "estimate"] < 0.5 < summary.loc[("rank", "eng_Latn", "5"), "estimate"]
    assert summary.loc[("script", "Latn", "embed"), "estimate"] > summary.loc[("script", "Latn", "5"), "estimate"]


def test_a_random_model_prefers_no_language(tmp_path):
    report = measure_latent_language(tiny("llama"), WORDS, shots=1, resamples=100)
    assert report.peak().p > 0.05
    assert "not distinguishable" in report.verdict()
    assert any("Latn -> rus_Cyrl: 6 of 6 items kept" in note for note in report.notes)
    report.save(tmp_path)
    again = Report.load(tmp_path)
    assert isinstance(again, LatentLanguageReport)
    assert again.verdict() == report.verdict()
    assert {path.name for path in tmp_path.iterdir()} >= {"figure.svg", "figure-scripts.svg", "figure-energy.svg", "summary.csv"}


def test_shares_read_every_target_once_and_measure_reads_none_again(tmp_path, monkeypatch):
    study = LatentLanguageStudy(
        model=tiny("llama"), words=WORDS, shots=1, seed=7, resamples=20
    )  # tiny models have random weights of seed 0
    truth = study.measure()
    for index in range(2):
        study.share(tmp_path, index, 2)
        assert len(list(tmp_path.glob("*.safetensors"))) == 2 * (index + 1)  # two targets in trained and in random weights
    monkeypatch.setattr("probes.lens.words.read_prompts", None)  # any reading of the model would be an error
    shared = study.measure(tmp_path)
    pd.testing.assert_frame_equal(shared.table, truth.table)
    assert shared.signature == truth.signature
    with pytest.raises(ValueError, match="got index 2 of 2 shares, expected 0 to 1"):
        study.share(tmp_path, 2, 2)


def test_the_probability_of_a_word_is_that_of_its_tokens_after_its_prompt():
    model = tiny("gemma2")
    report = measure_latent_language(model, WORDS, source="deu_Latn", shots=1, rule="prefix", controls=False, resamples=20)
    prompts = translation_prompts(WORDS, "deu_Latn", "rus_Cyrl", shots=1)
    vocabulary = read_vocabulary(model.tokenizer)
    for row, item in enumerate(report.settings["items"]["rus_Cyrl"]):
        batch = pad(model, encode(model, [prompts.prompts[WORDS.ids.index(item)]]))
        with torch.no_grad():
            last = model(batch.ids, attention_mask=batch.mask, use_cache=False)[0, -1].softmax(-1)
        for code in ("eng_Latn", "rus_Cyrl"):
            tokens = sorted(vocabulary.tokens(WORDS[code][WORDS.ids.index(item)], "prefix"))
            assert report.values("probability", code, "rus_Cyrl")[row, -1] == pytest.approx(float(last[tokens].sum()), abs=1e-6)


def test_a_task_and_a_word_list_are_not_taken_for_each_other():
    with pytest.raises(ValueError, match="task 'cloze' with 'words'"):
        measure_latent_language(tiny("llama"), WORDS, task="cloze")
    with pytest.raises(ValueError, match="a parallel list of words"):
        measure_latent_language(tiny("llama"), TASK)
    with pytest.raises(ValueError, match="the reference language swh_Latn"):
        measure_latent_language(tiny("llama"), WORDS, pivot="swh_Latn")


@pytest.mark.parametrize("labels", ["english", "target"])
def test_an_answer_is_the_most_probable_label(labels):
    model = tiny("llama")
    report = measure_labels(model, TASK, labels=labels, shots=1, rule="first", controls=False, resamples=20)
    vocabulary = read_vocabulary(model.tokenizer)
    words = ("the", "and") if labels == "english" else ("Hund", "Katze")
    prompts = TASK.prompts["deu_Latn"]
    for row in range(3):
        batch = pad(model, encode(model, [f'{prompts[0]}{words[0]}"\n{prompts[row + 1]}']))
        with torch.no_grad():
            last = model(batch.ids, attention_mask=batch.mask, use_cache=False)[0, -1].softmax(-1)
        mass = [float(last[sorted(vocabulary.tokens(word))].sum()) for word in words]
        right = (row + 1) % 2
        assert report.values("correct", "deu_Latn")[row, -1] == (mass[right] > mass[1 - right])
        assert report.values("gold", "deu_Latn")[row, -1] == pytest.approx(mass[right], abs=1e-6)
        assert report.values("share", "deu_Latn")[row, -1] == pytest.approx(mass[right] / sum(mass), abs=1e-4)
    assert ("eng_Latn" in report.languages) == (labels == "english")
    assert len(report.values("any_english")) == (3 if labels == "target" else 0)


def _two_labels(german: tuple[str, str]) -> ParallelTask:
    """The task with English labels that begin as those of another language do, or do not."""
    english = ("positive", "negative")
    answers = {
        "eng_Latn": tuple((english[row % 2],) for row in range(4)),
        "deu_Latn": tuple((german[row % 2],) for row in range(4)),
    }
    return ParallelTask("alike", TASK.prompts, answers, {"eng_Latn": (english,) * 4, "deu_Latn": (german,) * 4})


def test_labels_that_begin_alike_in_both_languages_are_not_held_against_each_other(tmp_path):
    report = measure_labels(
        tiny("llama"), _two_labels(("positivo", "negativo")), labels="target", shots=1, controls=False, resamples=20
    )
    assert np.isnan(report.values("any_english")).all()
    found = report.crossover()
    assert (found.layer, found.certain) == (None, False)
    assert np.isnan(found.share)
    assert "every right label shares tokens with the English one" in report.verdict()
    report.save(tmp_path)
    assert Report.load(tmp_path).verdict() == report.verdict()
    some = measure_labels(tiny("llama"), _two_labels(("positivo", "malo")), labels="target", shots=1, controls=False, resamples=20)
    shared = np.isnan(some.values("any_english", "deu_Latn")).any(1)
    assert shared.tolist() == [False, True, False]  # the items whose right label is "positivo"
    assert not np.isnan(some.crossover().share)
    assert "every right label" not in some.verdict()


def test_level_labels_share_the_point():
    mass = np.array([[[0.2, 0.2, 0.1], [0.3, 0.1, 0.1], [0.1, 0.2, 0.2]]])
    assert label_lens._credit(mass, np.array([0, 0, 0])).tolist() == [[0.5, 1.0, 0.0]]


def test_what_all_labels_begin_with_is_written_into_the_prompt():
    vocabulary = read_vocabulary(tiny("llama").tokenizer)
    one = label_lens._prompts(TASK, "deu_Latn", ("เชิงthe", "เชิงand"), None, [0, 1, 0, 1], [0, 1], vocabulary, "first", None)
    assert all(prompt.endswith('"เชิง') for prompt in one.prompts)
    assert one.prompts[0].startswith('Katze? "เชิงthe"\nHund? "เชิงand"\n')
    assert one.scored == (vocabulary.tokens("the"), vocabulary.tokens("and"))
    with pytest.raises(ValueError, match="cannot tell the labels the, the apart"):
        label_lens._prompts(TASK, "deu_Latn", ("xthe", "ythe", "the"), ("the", "the"), [0, 1, 0, 1], [], vocabulary, "first", None)


def test_tokens_are_read_at_every_position_and_shown_on_hover(tmp_path):
    model, prompt = tiny("llama"), 'نظر <&"猫$x$'
    report = measure_tokens(model, prompt, resamples=20)
    best = report.table[(report.table["place"] == 1) & (report.table["layer"] == report.layers[-1])]
    batch = pad(model, encode(model, [prompt]))
    with torch.no_grad():
        said = model(batch.ids, attention_mask=batch.mask, use_cache=False)[0].argmax(-1)
    vocabulary = read_vocabulary(model.tokenizer)
    assert list(best["predicted"]) == [vocabulary.written(int(token)) for token in said]
    report.save(tmp_path)
    svg = ET.parse(tmp_path / "figure.svg")
    titles = [element.text for element in svg.iter("{http://www.w3.org/2000/svg}title")]
    hovers = [text for text in titles if text and text.startswith("layer ")]
    assert len(hovers) == len(report.layers) * batch.ids.shape[1]
    assert all(len(text.split("\n")) == 6 for text in hovers)
    assert Report.load(tmp_path).verdict() == report.verdict()
    summary = report.summary()
    assert np.allclose(summary.groupby("layer")["estimate"].sum(), 1, atol=1e-5)


def test_a_prompt_in_another_script_asks_which_script_comes_first(monkeypatch):
    model, turn = tiny("llama"), 3
    scripts = read_vocabulary(model.tokenizer).scripts
    latin, cyrillic = (model.W_U[:, scripts.index(name)].detach() for name in ("Latn", "Cyrl"))

    def stream(_, batch, *, last_only=True):
        rows = [latin if row < turn else cyrillic for row in range(len(readout.rows_of(model)))]
        return torch.stack(rows)[:, None, None].expand(-1, 1, batch.ids.shape[1], -1)

    monkeypatch.setattr(readout, "stream", stream)
    report = measure_tokens(model, "Кошка спит на тёплом камне", controls=False, resamples=50)
    assert report.settings["own_scripts"] == ["Cyrl"]
    assert report.crossover().layer == readout.rows_of(model)[turn]
    assert "Cyrillic overtakes it for good at layer 2" in report.verdict()


def test_a_prompt_in_the_pivots_script_says_that_scripts_cannot_tell():
    assert "scripts cannot tell" in measure_tokens(tiny("llama"), "Die Katze", controls=False, resamples=20).verdict()


@pytest.mark.parametrize(
    ("token", "seen"),
    [
        (" a", "␣a"),
        ("\n", "⏎"),
        ("\u202e", "U+202E"),
        ("猫" * 9, "猫" * 5 + "…"),
        ("نمی\u200cخواهم", "نمی\u200cخواهم"),
        ("$x$", "$x$"),
    ],
)
def test_tokens_can_be_seen(token, seen):
    assert figures_tokens.shown(token) == seen


@pytest.mark.parametrize("recipe", sorted(path.stem for path in RECIPES.glob("lens-*.yaml")))
def test_shipped_recipes_are_lens_settings(recipe):
    settings = read_recipe(LensSettings, RECIPES / f"{recipe}.yaml").resolved()
    assert settings.output.name == recipe
    if settings.task == "labels":
        assert set(settings.template) == set(settings.languages)
        assert all(text.endswith(': "') and text.count("{") == 2 for text in settings.template.values())


def test_the_command_reads_words_and_prompts(tmp_path):
    folder = str(tiny_folder("llama", tmp_path / "model"))
    table = tmp_path / "words.tsv"
    rows = zip(WORDS["eng_Latn"], WORDS["deu_Latn"], WORDS["rus_Cyrl"], strict=True)
    table.write_text("\n".join("\t".join(row) for row in [("eng_Latn", "deu_Latn", "rus_Cyrl"), *rows]) + "\n", encoding="utf-8")
    common = ["--model", folder, "--corpus", str(table), "--no-controls"]
    asked = parse(LensSettings, [*common, "--languages", "ru", "--source", "de", "--shots", "1"]).resolved()
    assert run(asked).targets == ("rus_Cyrl",)
    assert (
        "Positions of one prompt" in run(parse(LensSettings, [*common, "--task", "prompt", "--prompt", "猫 Кошка спит"])).verdict()
    )
    tuned = [*common, "--languages", "de", "--lens", str(tmp_path / "lens.safetensors"), "--lens-steps", "1", "--shots", "1"]
    with pytest.raises(ValueError, match="no tuned lens"):
        run(parse(LensSettings, tuned).resolved())
    report = run(parse(LensSettings, [*tuned, "--lens-corpus", str(table)]).resolved())
    assert "lens:tuned@" in str(report.signature)


@pytest.mark.skipif(not DATA.is_dir(), reason="needs the shared data")
def test_the_published_word_lists_give_clozes():
    task = read_word_clozes(DATA / "latent_language" / "words", ["eng_Latn", "fra_Latn", "zho_Hans"])
    row = task.ids.index("bag")
    assert task.prompts["fra_Latn"][row] == 'Un "___" est utilisé pour transporter des objets. Réponse : "'
    assert task.answers["zho_Hans"][row] == ("包",)
    assert len(task) > 80


def test_word_lists_without_the_columns_are_refused(tmp_path):
    (tmp_path / "deu_Latn.csv").write_text("word,translation\na,b\n", encoding="utf-8")
    with pytest.raises(ValueError, match="no column 'word_original'"):
        read_word_clozes(tmp_path)
    with pytest.raises(ValueError, match="no word list in fra_Latn; it has deu_Latn"):
        read_word_clozes(tmp_path, ["fra_Latn"])


def test_the_default_targets_come_from_the_language_before_them():
    pairs = [
        (one.source, one.target)
        for one in LatentLanguageStudy(model=tiny("llama"), words=WORDS, shots=1, line="{word}{answer}")._prompts()
    ]
    assert pairs == [("rus_Cyrl", "deu_Latn"), ("deu_Latn", "rus_Cyrl")]
    alone = WORDS.select(["eng_Latn", "deu_Latn"])
    assert "may be copying" in " ".join(measure_latent_language(tiny("llama"), alone, shots=0, controls=False, resamples=20).notes)


def test_pieces_of_letters_are_shown_as_their_bytes_beside_what_can_be_read():
    vocabulary = Vocabulary(None, (" café".encode()[:-1], "你".encode()[:2], " 你好".encode(), b"\x00"))
    assert [vocabulary.written(token) for token in range(4)] == [" caf<C3>", "<E4><BD>", " 你好", "\x00"]
    assert figures_tokens.shown(vocabulary.written(0)) == "␣caf<C3>"
