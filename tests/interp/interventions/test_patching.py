"""Patching between two prompts: exact values from hand-made hooks, closed forms at the ends, gradients from finite differences."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from interp.interventions.attribution import attribute, calibrate
from interp.interventions.patching import Edit, activations, patch, run_edits
from interp.interventions.prompts import marked, question, untouched
from interp.models.sites import hook_name
from tests.support.tiny import FAMILIES, LAYERS, tiny

CLEAN, CORRUPT = "The [[dog]] looks at the", "The [[warm stone]] looks at the"
ANSWER, WRONG = " river", " cat"


def pair(family="llama", metric="logit_difference"):
    model = tiny(family)
    clean, corrupt = marked(model, CLEAN), marked(model, CORRUPT)
    return model, clean, corrupt, question(model, clean, metric, ANSWER, WRONG)


def by_hand(model, donor, base, site, block, donor_at, base_at):
    """Last-token logits of the base run with the mean of the donor's positions written over the base's."""
    with torch.no_grad():
        _, cache = model.run_with_cache(torch.tensor([donor.ids]), names_filter=[hook_name(site, block)])
        vector = cache[hook_name(site, block)][0, donor_at].mean(0)

        def put(activation, hook):
            activation = activation.clone()
            activation[0, base_at] = vector
            return activation

        ids = torch.tensor([base.ids])
        return model.run_with_hooks(ids, fwd_hooks=[(hook_name(site, block), put)], use_cache=False)[0, -1]


@pytest.mark.parametrize("family", FAMILIES)
@pytest.mark.parametrize("site", ["residual_post", "mlp"])
def test_every_anchor_is_that_of_hand_made_hooks(family, site):
    model, clean, corrupt, asked = pair(family)
    assert len(clean.ids) != len(corrupt.ids)
    found = patch(model, clean, corrupt, asked, site=site, anchors=("last", "span", "span_mean"), blocks=[1])
    places = (([-1], [-1]), ([clean.span[-1]], [corrupt.span[-1]]), (list(clean.span), list(corrupt.span)))
    for anchor, (donor_at, base_at) in enumerate(places):
        logits = by_hand(model, clean, corrupt, site, 1, donor_at, base_at)
        expected = logits[asked.answer[0]] - logits[asked.wrong[0]]
        torch.testing.assert_close(found.values[0, anchor], expected, atol=1e-4, rtol=0)
    assert found.values.std() > 1e-3, "anchors that give one number prove nothing"


def test_a_span_is_the_tokens_of_its_characters():
    model = tiny("llama")
    prompt = marked(model, CORRUPT)
    assert prompt.text == "The warm stone looks at the"
    words = model.tokenizer.convert_ids_to_tokens([prompt.ids[place] for place in prompt.span])
    assert "".join(words).replace("Ġ", " ").strip() == "warm stone"


def test_a_run_patched_with_itself_is_itself():
    model, clean, _, asked = pair()
    found = patch(model, clean, clean, asked, anchors=("last", "span"))
    torch.testing.assert_close(found.values, torch.full((LAYERS, 2), found.clean), atol=1e-4, rtol=0)


@pytest.mark.parametrize("metric", ["logit_difference", "kl"])
def test_the_last_residual_decides_everything(metric):
    model, clean, corrupt, asked = pair(metric=metric)
    denoised = patch(model, clean, corrupt, asked, anchors=("last", "span"))
    noised = patch(model, clean, corrupt, asked, anchors=("last", "span"), direction="noise")
    torch.testing.assert_close(denoised.normalised[-1], torch.tensor([1.0, 0.0]), atol=1e-3, rtol=0)
    torch.testing.assert_close(noised.normalised[-1], torch.tensor([0.0, 1.0]), atol=1e-3, rtol=0)
    assert abs(float(denoised.normalised[0, 0]) - 1) > 1e-3, "the first block cannot decide everything"


def test_long_answers_are_scored_to_their_end():
    model, clean, corrupt, asked = pair(metric="logprob")
    assert len(asked.answer) > 1
    ids = [*clean.ids, *asked.answer]
    with torch.no_grad():
        said = model(torch.tensor([ids]), use_cache=False)[0].log_softmax(-1)
    expected = sum(said[len(clean.ids) - 1 + k, token] for k, token in enumerate(asked.answer))
    found = patch(model, clean, corrupt, asked)
    assert found.clean == pytest.approx(float(expected), abs=1e-4)
    assert float(found.values[-1, 0]) != pytest.approx(found.clean, abs=1e-3), "later tokens still read the corrupt prompt"


def test_heads_add_up_in_the_number_of_places():
    model, clean, corrupt, asked = pair()
    found = patch(model, clean, corrupt, asked, site="head", blocks=[0, 2])
    assert found.values.shape == (2, model.cfg.n_heads, 1)
    held = activations(model, clean.ids, "head", [2])[2][-1]
    one = run_edits(model, corrupt.ids, [Edit(2, (len(corrupt.ids) - 1,), held[1], head=1)], "head")
    torch.testing.assert_close(found.values[1, 1, 0], asked.read(one)[0], atol=1e-4, rtol=0)


@pytest.mark.parametrize("family", ["llama", "gemma2", "bloom"])
@pytest.mark.parametrize("site", ["residual_post", "head"])
def test_attribution_is_the_slope_of_exact_patching(family, site):
    model, clean, corrupt, asked = pair(family)
    estimated = attribute(model, clean, corrupt, asked, site=site, blocks=[1])
    donor, base = (activations(model, prompt.ids, site, [1])[1][-1] for prompt in (clean, corrupt))
    if site == "head":
        donor, base = donor[2], base[2]
    small, head, last = 1e-2, 2 if site == "head" else None, len(corrupt.ids) - 1
    ends = [Edit(1, (last,), torch.lerp(base, donor, sign * small), head) for sign in (-1.0, 1.0)]
    below, above = asked.read(run_edits(model, corrupt.ids, ends, site))
    slope = float(estimated.values[0, 2, 0] if site == "head" else estimated.values[0, 0]) - estimated.corrupt
    assert slope == pytest.approx(float(above - below) / (2 * small), rel=0.05, abs=5e-3)


def test_steps_between_two_prompts_are_complete():
    model = tiny("llama")
    clean, corrupt = marked(model, "The [[cat]] looks at the"), marked(model, "The [[dog]] looks at the")
    words = [prompt.ids for prompt in (clean, corrupt)]
    assert len(words[0]) == len(words[1])
    asked = question(model, clean, "logit_difference", ANSWER, WRONG)
    everywhere = [marked(model, "[[" + prompt.text + "]]") for prompt in (clean, corrupt)]
    held = [activations(model, prompt.ids, "residual_pre", [0])[0] for prompt in everywhere]
    moved = [place for place in range(len(words[0])) if not torch.equal(held[0][place], held[1][place])]
    ends = asked.read(untouched(model, clean.ids))[0] - asked.read(untouched(model, corrupt.ids))[0]
    total = 0.0
    for place in moved:
        ones = [type(clean)(prompt.text, prompt.ids, (place,)) for prompt in (clean, corrupt)]
        options = {"site": "residual_pre", "anchors": ("span",), "blocks": [0], "steps": 128}
        found = attribute(model, *ones, asked, **options)
        total += float(found.values[0, 0]) - found.corrupt
    assert total == pytest.approx(float(ends), rel=0.02, abs=2e-2)


def test_calibration_knows_good_from_bad_estimates():
    exact = np.linspace(-1, 1, 30) ** 3
    assert calibrate(exact, 2 * exact + 1).spearman == pytest.approx(1)
    assert calibrate(exact, 2 * exact + 1).recall == 1
    assert calibrate(exact, -exact).spearman == pytest.approx(-1)
    with pytest.raises(ValueError, match="at least three"):
        calibrate(exact, exact[:2])


def test_bad_input_is_named():
    model, clean, corrupt, asked = pair()
    with pytest.raises(ValueError, match="no span is marked"):
        patch(model, marked(model, "The dog"), corrupt, asked, anchors=("span",))
    with pytest.raises(ValueError, match="2 marked spans"):
        marked(model, "[[a]] and [[b]]")
    with pytest.raises(ValueError, match="share their first token"):
        question(model, clean, "logit_difference", " the river", " the cat")
    with pytest.raises(ValueError, match="equal lengths"):
        attribute(model, clean, corrupt, asked, steps=4)
    with pytest.raises(ValueError, match="gradient is zero"):
        attribute(model, clean, corrupt, question(model, clean, "kl"), direction="noise")
    with pytest.raises(ValueError, match="block of 0 to 3"):
        patch(model, clean, corrupt, asked, blocks=[7])
