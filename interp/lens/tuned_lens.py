"""The tuned lens: one affine translator a layer, and which model it belongs to.

A plain logit lens asks early layers a question in the last layer's basis. A translator h + Wh + b, trained so that the
readout comes near the model's own prediction, asks it in theirs (Belrose et al. 2023, section 3). `lens_training` trains one.

When it misleads: a translator may compute what the layer does not say yet; a low KL is no proof that the layer knows. One
trained on English text only prefers English.
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
    """A translator for every row but the last, and the model it belongs to. Call it as a `Lens`.

    `before` and `after` are the KL(final || lens) in bits a token on sentences never trained on, without and with the translators.
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
        """How near each layer's readout is to the model's prediction, by language: columns language, layer, before, after."""
        rows = [(code, layer) for code in self.settings["languages"] for layer in self.layers]
        columns = {"before": self.before.flatten().tolist(), "after": self.after.flatten().tolist()}
        return pd.DataFrame(rows, columns=["language", "layer"]).assign(**columns)

    def save(self, path: str | Path) -> Path:
        """Write the lens as one safetensors file that names its model and how it was trained."""
        tensors = {"weight": self.weight, "bias": self.bias, "before": self.before, "after": self.after}
        facts = {"model": asdict(self.model), "layers": list(self.layers), "settings": dict(self.settings)}
        return save_tensors(Path(path), tensors, facts)


@dataclass(frozen=True)
class _Facts:
    """What must stand in the header of a lens, and of which type."""

    model: ModelIdentity
    layers: list[str]
    settings: dict[str, Any]


def translate(
    hidden: Float[Tensor, "row d_model"], weight: Float[Tensor, "d_model d_model"], bias: Float[Tensor, " d_model"]
) -> Float[Tensor, "row d_model"]:
    """A state in the basis the unembedding reads: h + Wh + b, in float32."""
    return hidden.float() + hidden.float() @ weight.T + bias


def load_lens(path: str | Path, model: TransformerBridge) -> TunedLens:
    """Read a tuned lens back. Raises `ValueError` where it was trained on another model or the file is not a finished lens."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no tuned lens at {path}. Train one with interp.lens.train.train_lens, or use the logit lens.")
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
