"""Before and after: nothing changes between a model and itself, a planted change is found where it was planted."""

import re
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch

import interp
from interp.provenance import CorpusIdentity, ModelIdentity, Signature
from interp.text.corpus import ParallelCorpus
from interp.tuning import encode_examples, template, translations
from interp.tuning.hybrids import input_table
from probes.alignment.report import AlignmentReport
from probes.item_values import ItemColumns
from probes.lens.latent_language_report import LatentLanguageReport
from probes.linear.probe import ProbeReport
from probes.neurons.report import NeuronReport
from probes.report import Report
from probes.transplant.report import TransplantGrid
from probes.tuning.comparison import ChangeReport, compare_reports, join_changes
from probes.tuning.hybrids import measure_blocks, measure_entry, measure_rows
from probes.tuning.losses import TuningReport
from probes.tuning.movement import effective_rank, measure_movement
from probes.tuning.token_groups import GROUPS, group_tokens
from tests.support.tiny import tiny, tiny_hf, tiny_tokenizer

MODELS = [ModelIdentity(name, sha * 8, 4, 32, "float32") for name, sha in (("base", "a"), ("tuned", "b"))]
CORPUS = CorpusIdentity("made", "c" * 8, 40)
TEXT = ParallelCorpus(
    "made", {"eng_Latn": tuple(f"the cat {n}" for n in range(12)), "deu_Latn": tuple(f"die Katze {n}" for n in range(12))}
)
MIXTURE = translations(TEXT, [("en", "de")])


def _aligned(model: int, gain: float = 0.0, seed: int = 0, **settings) -> AlignmentReport:
    """Forty sentences, two languages, three layers; `gain` is planted in German at layer 1."""
    rng = np.random.default_rng(0)
    cells = [(code, layer) for code in ("deu_Latn", "swh_Latn") for layer in ("embed", "0", "1")]
    frames = []
    for code, layer in cells:
        noise = np.random.default_rng(seed).normal(0, 0.05, 40)
        value = rng.normal(0.5, 0.1, 40) + (noise if seed else 0) + gain * (code == "deu_Latn" and layer == "1")
        where = {"language": code, "pivot": "eng_Latn", "layer": layer, "metric": "mexa"}
        sentences = [f"s{n}" for n in range(40)]
        frames.append(pd.DataFrame({**where, "sentence": sentences, "value": value, "baseline": 0.1, "p": 0.5}))
    how = {"pool": "mean", "site": "residual", **settings}
    return AlignmentReport(pd.concat(frames, ignore_index=True), Signature("alignment", MODELS[model], CORPUS, how),
                           settings={"resamples": 200, "seed": 0})  # fmt: skip


def test_a_model_does_not_differ_from_itself():
    found = compare_reports(_aligned(0), _aligned(1))
    rows = found.summary()
    assert len(rows) == 6
    assert (rows["estimate"] == 0).all()
    assert rows[["lower", "upper"]].isna().all(axis=None)
    assert (rows["p_max"] == 1).all()
    assert found.verdict().startswith("Tuning changed nothing that 40 items can show, in any of 6 cells.")


def test_a_planted_gain_is_found_in_its_language_and_layer_alone():
    rows = compare_reports(_aligned(0), _aligned(1, gain=0.2, seed=1)).summary().set_index(["language", "layer"])
    clear = rows[rows["changed"]]
    assert list(clear.index) == [("deu_Latn>eng_Latn", "1")]
    assert clear["lower"].iloc[0] < 0.2 < clear["upper"].iloc[0] + 0.05
    assert rows["after"].to_numpy() - rows["baseline"].to_numpy() == pytest.approx(rows["estimate"].to_numpy())


@pytest.mark.parametrize(("settings", "field"), [({"pool": "last"}, "pool"), ({"site": "mlp"}, "site"), ({"extra": 1}, "extra")])
def test_reports_that_differ_in_more_than_the_model_are_refused_by_field(settings, field):
    with pytest.raises(ValueError, match=f"differ in more than the model: {field} is"):
        compare_reports(_aligned(0), _aligned(1, **settings))


def test_other_text_other_kinds_and_what_cannot_be_paired_are_refused():
    other = replace(
        _aligned(1), signature=Signature("alignment", MODELS[1], replace(CORPUS, sha="d" * 8), {"pool": "mean", "site": "residual"})
    )
    with pytest.raises(ValueError, match="corpus is 'made@cccccccc' before and 'made@dddddddd' after"):
        compare_reports(_aligned(0), other)
    lens = LatentLanguageReport(_aligned(0).table, _aligned(0).signature)
    with pytest.raises(ValueError, match="AlignmentReport and LatentLanguageReport"):
        compare_reports(_aligned(0), lens)
    tuned = TuningReport(_aligned(0).table, _aligned(0).signature)
    with pytest.raises(ValueError, match="a TuningReport cannot be paired"):
        compare_reports(tuned, tuned)


def test_items_of_one_report_only_are_left_out_and_counted():
    short = _aligned(1)
    short = replace(short, table=short.table[short.table["sentence"] != "s3"])
    found = compare_reports(_aligned(0), short)
    assert (found.summary()["n"] == 39).all()
    assert "6 values stand in one report only" in found.notes[-1]


def test_a_cell_without_any_pair_is_no_cell():
    both = [
        replace(each, table=each.table.assign(value=each.table["value"].mask(each.table["layer"] == "1")))
        for each in (_aligned(0), _aligned(1))
    ]
    assert set(compare_reports(*both).summary()["layer"]) == {"embed", "0"}


def test_documents_are_kept_and_a_joined_report_keeps_every_instrument(tmp_path):
    before, after = _aligned(0), _aligned(1, gain=0.2, seed=1)
    plain = compare_reports(before, after)
    grouped = [replace(each, table=each.table.assign(document=each.table["sentence"].str[1])) for each in (before, after)]
    assert "document" in compare_reports(*grouped).table
    both = join_changes({"align": plain, "again": plain})
    assert set(both.summary()["measure"]) == {"align mexa", "again mexa"}
    assert both.signature.corpus == CORPUS
    elsewhere = replace(plain, signature=replace(plain.signature, corpus=CorpusIdentity("other", "d" * 8, 7)))
    assert str(join_changes({"align": plain, "again": elsewhere}).signature.corpus).startswith("made+other@")
    both.save(tmp_path)
    loaded = Report.load(tmp_path)
    assert isinstance(loaded, ChangeReport)
    pd.testing.assert_frame_equal(loaded.summary(), both.summary())


def test_what_stands_in_arrays_and_odd_columns_is_paired_too():
    how = Signature("x", MODELS[0], CORPUS)
    names = ["layer", "source", "target", "item"]
    cells = pd.MultiIndex.from_product([["0", "1"], ["deu_Latn"], ["swh_Latn", "eng_Latn"], ["a", "b"]], names=names)
    probe = ProbeReport(pd.DataFrame({"score": np.arange(8.0)}, index=cells).reset_index(), how)
    values = probe.item_values()
    assert set(values["measure"]) == {"score"}
    assert values.set_index(["language", "layer", "item"])["value"]["deu_Latn>eng_Latn", "1", "b"] == 7
    rates = np.arange(12.0).reshape(2, 2, 3)
    neurons = NeuronReport(pd.DataFrame(), how, {"rate": rates}, {"languages": ["deu_Latn", "swh_Latn"]})
    values = neurons.item_values().set_index(["language", "layer", "item"])["value"]
    assert values["swh_Latn", "1", "2"] == rates[1, 1, 2]
    rows = pd.DataFrame({"item": ["a", "b"], "donor": "eng_Latn", "language": "swh_Latn", "run": "untouched", "value": [1.0, 2.0]})
    scores = np.arange(8.0).reshape(2, 2, 2)
    grid = TransplantGrid(rows, how, {"eng_Latn>swh_Latn|transplant": scores}, {"sources": [0, 1], "targets": [0, 3]})
    values = grid.item_values().set_index(["measure", "layer", "item"])["value"]
    assert values["effect by source layer", "1", "b"] == scores[1, 1].mean() - 2
    assert values["effect by target layer", "3", "a"] == scores[0, :, 1].mean() - 1
    assert values["untouched", "", "b"] == 2


def _changed(edit) -> object:
    """The tiny Llama with its weights edited in place by `edit(model)`."""
    hf = tiny_hf("llama")
    with torch.no_grad():
        edit(hf)
    return interp.load(hf, tokenizer=tiny_tokenizer("llama"))


def test_movement_names_the_tensor_the_rows_and_the_rank_that_were_planted():
    base, groups = tiny("llama"), group_tokens(tiny("llama"), MIXTURE, template("bare"))
    german = np.flatnonzero(groups == GROUPS.index("only target"))[:4]

    def edit(hf):
        hf.model.layers[2].mlp.up_proj.weight += torch.outer(torch.arange(48.0), torch.arange(32.0)) * 1e-3
        hf.model.embed_tokens.weight[german] += 0.5

    report = measure_movement(base, _changed(edit), mixture=MIXTURE, form="bare")
    moved = report.table[report.table["distance"] > 0].set_index("part")
    assert list(moved["tensor"]) == ["model.embed_tokens.weight", "model.layers.2.mlp.up_proj.weight"]
    assert moved.loc["2", "effective_rank"] == pytest.approx(1, abs=0.05)
    assert set(np.flatnonzero(report.arrays["row_distance"])) == set(german)
    rows = report.rows().set_index("group")
    assert (rows["moved"] > 0).to_dict() == {name: name == "only target" for name in rows.index}
    assert "None of" in measure_movement(base, tiny("llama")).verdict()


def test_effective_rank_counts_equal_directions():
    assert effective_rank(torch.eye(7)) == pytest.approx(7)
    assert effective_rank(torch.zeros(3, 4)) == 0
    assert effective_rank(torch.diag(torch.tensor([1.0, 1, 0, 0]))) == pytest.approx(2)


def _better(hf) -> None:
    """A change in block 2 alone that helps: it is trained for a moment."""
    data = encode_examples(tiny_tokenizer("llama"), MIXTURE.examples, template("bare"), 120)
    from interp.tuning.fit import answer_loss, collate

    batch = collate([{"input_ids": ids, "labels": labels} for ids, labels in zip(data.ids, data.labels, strict=True)])
    labels = batch.pop("labels")
    hf.requires_grad_(False)
    weights = list(hf.model.layers[2].parameters())
    optimiser = torch.optim.Adam([weight.requires_grad_(True) for weight in weights], 0.02)
    with torch.enable_grad():
        for _ in range(8):
            optimiser.zero_grad()
            answer_loss(hf(**batch), labels).backward()
            optimiser.step()


def test_a_gain_planted_in_one_block_enters_there_and_is_all_its_own():
    base, tuned = tiny("llama"), _changed(_better)
    entry = measure_entry(base, tuned, MIXTURE, form="bare", resamples=100).summary().set_index(["line", "place"])["share"]
    assert entry["tuned below"].to_dict() == pytest.approx({"embed": 0, "0": 0, "1": 0, "2": 1, "3": 1}, abs=1e-5)
    assert entry["base below"].to_dict() == pytest.approx({"embed": 1, "0": 1, "1": 1, "2": 0, "3": 0}, abs=1e-5)
    report = measure_blocks(base, tuned, MIXTURE, form="bare", resamples=100)
    blocks = report.summary().set_index(["line", "place"])["share"]
    assert blocks["base + 1"].to_dict() == pytest.approx({"embed": 0, "0": 0, "1": 0, "2": 1, "3": 0, "head": 0}, abs=1e-5)
    assert blocks["tuned - part"].to_dict() == pytest.approx({"embed": 1, "0": 1, "1": 1, "2": 0, "3": 1, "head": 1}, abs=1e-5)
    assert report.verdict().startswith("The tuned weights of 1 of 6 parts lower the loss by themselves (n=12).")
    assert "most alone (base + 1) 2 100%" in report.verdict()
    with pytest.raises(ValueError, match="no embedding row"):
        measure_rows(base, tuned, MIXTURE, form="bare")


def test_all_moved_rows_are_the_tuned_model_and_doses_are_nested():
    base = tiny("llama")

    def edit(hf):
        hf.model.embed_tokens.weight += torch.randn(400, 32, generator=torch.Generator().manual_seed(3)) * 0.2

    tuned = _changed(edit)
    report = measure_rows(base, tuned, MIXTURE, form="bare", resamples=100)
    rows = report.summary().set_index(["line", "place"])
    for line in ("most frequent", "moved farthest", "random rows"):
        assert rows.loc[(line, "100%"), "estimate"] == pytest.approx(report.whole(), abs=1e-6)
        sizes = [report.settings["sizes"][f"{line}|{dose}"] for dose in ("1%", "5%", "25%", "50%", "100%")]
        assert sizes == sorted(sizes)
    assert torch.equal(input_table(base), tiny_hf("llama").get_input_embeddings().weight)


def test_a_model_compared_with_itself_has_no_gain_to_share():
    report = measure_entry(tiny("llama"), tiny("llama"), MIXTURE, form="bare", resamples=50)
    assert (report.summary()["estimate"].abs() < 1e-6).all()
    assert report.summary()["share"].isna().all()
    assert report.verdict().startswith("The tuned model is not shown to gain anything over the base")


def test_a_report_that_declares_its_item_values_can_be_compared_without_more():
    class LengthReport(Report):
        item_columns = ItemColumns("item", ("language",), value="length", measure=None, layer=None)
        pairing_note = "lengths are in characters"

        def summary(self):
            return pd.DataFrame()

    table = pd.DataFrame({"item": ["a", "b"], "language": "deu_Latn", "length": [3, 5], "document": ["x", "y"]})
    before, after = (LengthReport(table, Signature("length", model, CORPUS)) for model in MODELS)
    after = replace(after, table=table.assign(length=[4, 8]))
    assert list(before.item_values()) == ["measure", "language", "series", "layer", "item", "value", "document"]
    found = compare_reports(before, after)
    assert list(found.table["value"]) == [1, 3]
    assert set(found.table["measure"]) == {"length"}
    assert found.notes == ("lengths are in characters",)


def test_rows_of_controls_are_no_item_values():
    table = pd.DataFrame({"item": "a", "target": "deu_Latn", "series": "English", "layer": "0", "measure": "rank",
                          "weights": ["trained", "random"], "value": [1.0, 9.0]})  # fmt: skip
    values = LatentLanguageReport(table, Signature("lens", MODELS[0], CORPUS)).item_values()
    assert values.drop(columns="value").to_numpy().tolist() == [["rank", "deu_Latn", "English", "0", "a"]]
    assert list(values["value"]) == [1.0]


@pytest.mark.parametrize("between", ["runs", "models"])
@pytest.mark.parametrize("gain", [0.0, 0.2])
def test_what_stands_between_two_runs_is_not_said_to_be_tuning(between, gain, tmp_path):
    found = compare_reports(_aligned(0), _aligned(1, gain=gain, seed=1) if gain else _aligned(1), between=between)
    said = f"{found.question} {found.verdict()}"
    assert f"Between the two {between} " in said
    assert not re.search("tuning|changed|rises|falls", said, re.IGNORECASE)
    tuned = compare_reports(_aligned(0), _aligned(1, gain=gain, seed=1) if gain else _aligned(1))
    assert tuned.verdict().startswith("Tuning changed ")
    pd.testing.assert_frame_equal(found.summary(), tuned.summary())
    assert join_changes({"align": found, "again": found}).verdict().startswith(f"Between the two {between} ")
