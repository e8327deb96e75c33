"""The tuned lens: an affine translator for each layer, and the model that it fits.

The logit lens reads early layers in the basis of the last layer. A translator h + Wh + b is trained so that the readout comes
close to the model's own prediction (Belrose et al. 2023, section 3; `interp.lens.train`). A translator may compute something that
the layer does not hold yet, so a low divergence does not prove that the layer knows the prediction. A lens trained on English
text only favours English.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from interp.files.checks import validate
from interp.files.sealed_tensors import load_tensors, save_tensors
from interp.models.load import TransformerBridge, identify
from interp.models.sites import layer_names
from interp.provenance import ModelIdentity


@dataclass(frozen=True)
class TunedLens:
    """A translator for every layer but the last, and the model that it fits. Called with states and a layer, it translates them.

    Attributes
    ----------
    weight, bias
        W and b of the translator h + Wh + b of each layer.
    layers
        Names of the layers: `embed`, then `0` to N-2.
    model
        The model that it was trained on.
    before, after
        KL(final || lens) on held-out sentences (bits per token), with the logit lens and with the translators.
    settings
        How it was trained.
    """

    weight: Float[Tensor, "layer d_model d_model"]
    bias: Float[Tensor, "layer d_model"]
    layers: tuple[str, ...]
    model: ModelIdentity
    before: Float[Tensor, "language layer"]
    after: Float[Tensor, "language layer"]
    settings: Mapping[str, Any]

    def __call__(self, hidden: Float[Tensor, "row d_model"], layer: str) -> Float[Tensor, "row d_model"]:
        row = self.layers.index(layer)
        return translate(hidden, self.weight[row].to(hidden.device), self.bias[row].to(hidden.device))

    def __str__(self) -> str:
        digest = hashlib.sha256(self.weight.cpu().numpy().tobytes() + self.bias.cpu().numpy().tobytes())
        return f"tuned@{digest.hexdigest()[:8]}"

    def table(self) -> pd.DataFrame:
        """The divergence of each layer's readout from the model's prediction: columns `language, layer, before, after`."""
        rows = [(code, layer) for code in self.settings["languages"] for layer in self.layers]
        columns = {"before": self.before.flatten().tolist(), "after": self.after.flatten().tolist()}
        return pd.DataFrame(rows, columns=["language", "layer"]).assign(**columns)

    def save(self, path: str | Path) -> Path:
        """Write the lens to `path`, a safetensors file that also names the model and how the lens was trained."""
        tensors = {"weight": self.weight, "bias": self.bias, "before": self.before, "after": self.after}
        facts = {"model": asdict(self.model), "layers": list(self.layers), "settings": dict(self.settings)}
        return save_tensors(Path(path), tensors, facts)


@dataclass(frozen=True)
class _Facts:
    """The fields in the header of a lens file, and their types."""

    model: ModelIdentity
    layers: list[str]
    settings: dict[str, Any]


def translate(
    hidden: Float[Tensor, "row d_model"], weight: Float[Tensor, "d_model d_model"], bias: Float[Tensor, " d_model"]
) -> Float[Tensor, "row d_model"]:
    """The states `hidden` (h) in the basis that the unembedding reads: h + Wh + b with `weight` (W) and `bias` (b), in float32."""
    return hidden.float() + hidden.float() @ weight.T + bias


def load_lens(path: str | Path, model: TransformerBridge) -> TunedLens:
    """Read a tuned lens from a file.

    Parameters
    ----------
    path
        The file that `train_lens` wrote.
    model
        The model that the lens was trained on.

    Returns
    -------
    The `TunedLens`, which `probes.measure_latent_language` and others take as `lens`.

    Raises
    ------
    ValueError
        There is no such file, it is not a finished lens, or the lens was trained on another model.

    Example
    -------
    >>> import interp, tempfile
    >>> model, corpus = interp.load("bundled"), interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"], limit=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     trained = interp.train_lens(model, corpus, f"{folder}/lens.safetensors", steps=1, sentences=1)
    ...     str(interp.load_lens(f"{folder}/lens.safetensors", model)) == str(trained)
    True
    """
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"got no tuned lens at {path}. Train one with interp.train_lens, or use the logit lens.")
    tensors, plain = load_tensors(path)
    missing = {"weight", "bias", "before", "after"} - set(tensors)
    if missing:
        raise ValueError(f"{path} is not a finished tuned lens: {', '.join(sorted(missing))} missing. Finish its training.")
    facts, given = validate(_Facts, plain, path), identify(model)
    if facts.model.sha != given.sha:
        raise ValueError(
            f"{path}: got a lens of {facts.model}, expected one of {given}. A tuned lens fits the weights that it was trained on: "
            "train one for this model."
        )
    rows, width, languages = layer_names("residual", given.layers)[:-1], given.d_model, facts.settings.get("languages")
    known = (len(languages) if isinstance(languages, list) else 0, len(rows))
    needed = {"weight": (len(rows), width, width), "bias": (len(rows), width), "before": known, "after": known}
    for name, shape in needed.items():
        if tuple(tensors[name].shape) != shape or not tensors[name].is_floating_point() or tuple(facts.layers) != rows:
            raise ValueError(
                f"{path}: got {name} of shape {tuple(tensors[name].shape)} for layers {', '.join(facts.layers)[:60]}, "
                f"expected shape {shape} and every layer of the model but the last. Train the lens again."
            )
    return TunedLens(layers=rows, model=facts.model, settings=facts.settings, **{name: tensors[name] for name in needed})
