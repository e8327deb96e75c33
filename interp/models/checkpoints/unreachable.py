"""Why the Hub gave nothing, in one sentence."""

from __future__ import annotations

from pathlib import Path

from huggingface_hub import errors


def unreachable(name: str, revision: str | None, error: BaseException) -> OSError | ValueError | None:
    """Why a hub `name` at a `revision` gave nothing, from the causes of `error`; None where the hub is not to blame."""
    if Path(name).is_dir():
        return None
    at = f"model {name!r}" + (f" at revision {revision!r}" if revision else "")
    causes = _causes(error)

    def caused_by(*types: type[BaseException]) -> bool:
        return any(isinstance(cause, types) for cause in causes)

    if caused_by(errors.GatedRepoError):
        return OSError(f"{at} is gated. Accept its terms on its hub page, then log in with `hf auth login`.")
    if caused_by(errors.RevisionNotFoundError):
        return ValueError(f"{at} does not exist, expected a branch, tag or commit of it.")
    if caused_by(errors.RepositoryNotFoundError, errors.HFValidationError):
        return ValueError(f"{at} is unknown: no folder here and no public model on the hub has that name. Check the spelling.")
    if caused_by(errors.OfflineModeIsEnabled, errors.LocalEntryNotFoundError, ConnectionError, TimeoutError):
        return OSError(f"{at} is not in the local cache and the hub cannot be reached. Go online, or give a local folder.")
    if caused_by(errors.EntryNotFoundError) or "does not appear to have a file" in str(error):
        return OSError(f"{at} lacks a required file ({brief(error)}). Weights must be safetensors: pickles are refused.")
    return None


def _causes(error: BaseException | None) -> list[BaseException]:
    causes: list[BaseException] = []
    while error is not None and error not in causes:
        causes.append(error)
        error = error.__cause__ or error.__context__
    return causes


def brief(error: BaseException) -> str:
    """The text of `error` on one line, at most 200 characters; its type if it has no text."""
    return " ".join(str(error).split())[:200] or type(error).__name__
