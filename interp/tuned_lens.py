"""The tuned lens: one affine translator a layer, and which model it belongs to.

A plain logit lens asks early layers a question in the last layer's basis. A translator h + Wh + b, trained so that the
readout comes near the model's own prediction, asks it in theirs (Belrose et al. 2023, section 3). `lens_training` trains one.

When it misleads: a translator may compute what the layer does not say yet; a low KL is no proof that the layer knows. One
trained on English text only prefers English.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jaxtyping import Float
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from interp.models import TransformerBridge, identify
from interp.provenance import ModelIdentity
from interp.storage import whole


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


def translate(
    hidden: Float[Tensor, "row d_model"], weight: Float[Tensor, "d_model d_model"], bias: Float[Tensor, " d_model"]
) -> Float[Tensor, "row d_model"]:
    """A state in the basis the unembedding reads: h + Wh + b, in float32."""
    return hidden.float() + hidden.float() @ weight.T + bias


def load_lens(path: str | Path, model: TransformerBridge) -> TunedLens:
    """Read a tuned lens back. Raises `ValueError` where it was trained on another model or the file is not a finished lens."""
    path = Path(path)
    if not path.is_file():
        raise ValueError(f"no tuned lens at {path}. Train one with interp.lens_training.train_lens, or use the logit lens.")
    tensors, facts = load_tensors(path)
    missing = {"weight", "bias", "before", "after"} - set(tensors)
    if missing:
        raise ValueError(f"{path} is not a finished tuned lens: {', '.join(sorted(missing))} missing. Finish its training.")
    trained, given = ModelIdentity(**facts["model"]), identify(model)
    if trained.sha != given.sha:
        raise ValueError(
            f"{path} was trained on {trained} but the model is {given}. A tuned lens belongs to the weights it was trained on: "
            "train one for this model."
        )
    return TunedLens(layers=tuple(facts["layers"]), model=trained, settings=facts["settings"], **tensors)


def save_tensors(path: Path, tensors: Mapping[str, Tensor], facts: Mapping[str, Any]) -> Path:
    """A safetensors file, whole or not there, with plain facts in its header."""
    stored = {name: tensor.cpu().contiguous() for name, tensor in tensors.items()}
    with whole(path) as temporary:
        save_file(stored, temporary, {"tuned_lens": json.dumps(facts)})
    return path


def load_tensors(path: Path) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """The tensors and facts of a file written by `save_tensors`. Raises `ValueError` where it is another file or cut short."""
    try:
        with safe_open(path, "pt") as file:
            return {name: file.get_tensor(name) for name in file.keys()}, json.loads((file.metadata() or {})["tuned_lens"])  # noqa: SIM118
    except (SafetensorError, KeyError, json.JSONDecodeError) as error:
        raise ValueError(f"{path} is not a tuned lens ({error}). Train it again.") from None
