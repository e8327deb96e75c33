"""A measured answer: a tidy table, the signature of how it was made, and a verdict; saved to a run folder and loaded from it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from functools import wraps
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar, NotRequired, ParamSpec, Self, TypedDict, TypeVar, cast

import numpy as np
import pandas as pd
from safetensors.numpy import load_file, save_file

import probes
from interp.files.atomic import checksum, whole
from interp.files.checks import safe_path, validate
from interp.files.names import file_name
from interp.files.sealed_json import read_sealed, write_sealed
from interp.languages import nearest
from interp.models.checks.receipts import Receipt, collected, merge_receipts
from interp.provenance import Signature, environment
from interp.text.notes import TextRead
from probes.figures.dress import Theme, dress, words_of
from probes.figures.fonts import quiet, with_fonts
from probes.figures.look import drawn
from probes.item_values import ItemColumns, tidy_values
from probes.spreadsheet import write_spreadsheet
from probes.tables import latex_table, markdown_table

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from matplotlib.typing import RcKeyType

_Asked = ParamSpec("_Asked")
_Made = TypeVar("_Made", bound="Report")
MANIFEST, CONFIG = "manifest.json", "config.yaml"
_SAVING: dict[RcKeyType, str | int] = {"svg.fonttype": "none", "svg.hashsalt": "interp", "pdf.fonttype": 42}
"""Text stays text, so that a browser shapes every script; equal figures give equal bytes."""
_Read = TypeVar("_Read")
_TABLE, _SUMMARY, _ARRAYS = "table.parquet", "summary.csv", "arrays.safetensors"


@dataclass(frozen=True)
class _Manifest:
    """The fields of a manifest and their types."""

    report: str
    question: str
    verdict: str
    signature: Signature
    settings: dict[str, Any]
    notes: list[str]
    files: dict[str, str]
    figures: list[str]
    environment: dict[str, str]
    written: str
    receipts: list[Receipt] = field(default_factory=list)
    texts: list[TextRead] = field(default_factory=list)


class Manifest(TypedDict):
    """The manifest of a finished run, as JSON has it: `signature` is `Signature.to_dict`, a receipt the fields of a `Receipt`."""

    report: str
    question: str
    verdict: str
    signature: dict[str, Any]
    settings: dict[str, Any]
    notes: list[str]
    files: dict[str, str]
    figures: list[str]
    environment: dict[str, str]
    written: str
    receipts: NotRequired[list[dict[str, Any]]]
    texts: NotRequired[list[dict[str, Any]]]


@dataclass(frozen=True)
class Report:
    """One measured answer. Each question has a subclass, with a summary, a verdict, figures, and the vocabulary of the question.

    Attributes
    ----------
    table
        Tidy, one row per item and cell.
    signature
        How it was measured: measure, model, corpus, settings, version. Printed under every figure.
    arrays
        What does not fit a table, by name.
    settings
        What the summary is computed with (resamples, seed).
    notes
        Caveats that a reader must see.
    receipts
        What was computed again by plain forwards in the same run, and how far off it was.
    texts
        What a command read, and how it was understood: which column or file is which language, and what was passed over.
    manifest
        Filled by `load`: verdict, versions, checksums, time.

    Examples
    --------
    >>> import interp, probes, tempfile
    >>> corpus = interp.read("cldr:names", languages=["eng_Latn", "deu_Latn"]).select(limit=20, seed=0)
    >>> report = probes.survey_tokenization(interp.load("bundled").tokenizer, corpus, resamples=10)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     loaded = probes.Report.load(report.save(folder))
    >>> loaded.summary().equals(report.summary())
    True
    """

    table: pd.DataFrame
    signature: Signature
    arrays: Mapping[str, np.ndarray] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    notes: tuple[str, ...] = ()
    manifest: Mapping[str, object] = field(default_factory=dict)
    receipts: tuple[Receipt, ...] = ()
    texts: tuple[TextRead, ...] = ()

    question: ClassVar[str] = ""
    item_columns: ClassVar[ItemColumns | None] = None
    """Where `table` holds the value of every item and cell; None where it holds none that two reports could be paired by."""
    pairing_note: ClassVar[str] = ""
    """What a reader of paired values must know, where items are not sentences or questions."""

    def summary(self) -> pd.DataFrame:
        """One row per cell: `estimate`, its 95 % confidence interval `lower, upper`, `n` and `baseline`."""
        raise NotImplementedError

    def verdict(self) -> str:
        """What the numbers show, in a sentence, with their uncertainty."""
        raise NotImplementedError

    def figures(self) -> dict[str, Figure]:
        """Every figure of the report by its name, the main one first."""
        raise NotImplementedError

    def plot(
        self,
        figure: str | None = None,
        *,
        title: bool | str = False,
        footer: bool | str = "key",
        names: bool | Mapping[str, str] = True,
        size: tuple[float, float] | None = None,
        languages: Sequence[str] | None = None,
        theme: Theme = "light",
    ) -> Figure:
        """One figure, as a paper wants it; a notebook shows it by itself.

        Parameters
        ----------
        figure
            Its name in `figures()`. Default: the main one.
        title
            True for the question as headline, a text for another. A paper has its title in the caption.
        footer
            "key" for a line on what dots, bands and dashes mean, True for that and the signature, False for none, or any text.
        names
            True for "German", False for `deu_Latn`, or names of your own by code.
        size
            Width and height in inches. A column of a paper is about 3.3 wide, a page 6.5; letters keep their size.
        languages
            The languages to show, in any spelling and in this order. Tests and intervals remain those of the whole report.
        theme
            "light", or "dark" for slides.

        Raises
        ------
        ValueError
            There is no such figure, language or theme, or the size is not positive.
        """
        with drawn(names, size, languages):
            figures = self.figures()
            if figure is not None and figure not in figures:
                raise ValueError(f"got figure {figure!r}, expected one of {', '.join(figures)}.{nearest(figure, figures)}")
            drawing = dress(figures[figure or next(iter(figures))], title, footer, theme)
        with_fonts(drawing)
        return drawing

    def __repr__(self) -> str:
        made = self.signature
        return f"{type(self).__name__}: {made.model.name} on {made.corpus.name}, n={made.corpus.n}, {len(self.table)} rows"

    def _repr_html_(self) -> str:
        from probes.figures.drawing import Drawing
        from probes.notebook import report_html

        figure = self.plot(title=True)
        picture = figure._repr_png_() if isinstance(figure, Drawing) else b""
        return report_html(self.question, self.verdict(), self.notes, picture, self.summary(), str(self.signature))

    def tidy(self) -> pd.DataFrame:
        """The summary with what it is of in front, so that the frames of several reports can be put under one another.

        Returns
        -------
        pd.DataFrame
            One row per cell: `report`, `model`, `model_sha`, `corpus`, `corpus_sha`, then the columns of `summary()`.
        """
        model, corpus = self.signature.model, self.signature.corpus
        who = {"report": type(self).__name__, "model": model.name, "model_sha": model.sha[:8], "corpus": corpus.name,
               "corpus_sha": corpus.sha[:8]}  # fmt: skip
        rows = self.summary().rename(columns={name: f"summary_{name}" for name in who})
        for place, (name, value) in enumerate(who.items()):
            rows.insert(place, name, value)
        return rows

    def to_markdown(self, columns: Sequence[str] | None = None, *, digits: int = 3) -> str:
        """The summary as a Markdown table: some `columns` of it (default: all), numbers with `digits` behind the point."""
        return markdown_table(self._columns(columns), digits=digits)

    def to_latex(
        self, columns: Sequence[str] | None = None, *, digits: int = 3, caption: str | None = None, label: str = ""
    ) -> str:
        """The summary as a LaTeX table in the style of booktabs, its signature in the caption.

        `columns` are some of those of `summary()` (default: all), `digits` those behind the point, `caption` the text above the
        table (default: the question and the signature; "" for a bare `tabular`), and `label` what the paper refers to it by.
        """
        said = f"{self.question} {self.signature}" if caption is None else caption
        return latex_table(self._columns(columns), digits=digits, caption=said, label=label)

    def _columns(self, columns: Sequence[str] | None) -> pd.DataFrame:
        rows = self.summary()
        if columns is None:
            return rows
        if unknown := [name for name in columns if name not in rows]:
            raise ValueError(f"got column {unknown[0]!r}, expected some of {', '.join(map(str, rows))}.")
        return rows[list(columns)]

    def item_values(self) -> pd.DataFrame:
        """The value of every item in every cell, in one form for all reports, so that two of a kind can be paired.

        A report declares where they are with `item_columns`, or overrides `_item_values` where its table does not hold them.

        Returns
        -------
        pd.DataFrame
            One row per item and cell: `measure, language, series, layer, item, value`, and `document` where the text has
            documents.

        Raises
        ------
        ValueError
            Where this kind of report has no such values, or this one lacks what its kind has.
        """
        name = type(self).__name__
        if not _has_item_values(type(self)):
            raise ValueError(f"a {name} cannot be paired item by item, expected one of {', '.join(_paired_kinds())}.")
        try:
            return self._item_values()
        except (KeyError, IndexError, TypeError, AttributeError, ValueError) as error:
            raise ValueError(f"this {name} is not as its command saves it ({error!r}). Run it again.") from None

    def _item_values(self) -> pd.DataFrame:
        assert self.item_columns is not None
        return tidy_values(self.table, self.item_columns, self.settings.get("metrics", ()))

    def save(self, folder: str | Path) -> Path:
        """Write the report to `folder`, which is made where there is none, and return its path.

        `table.parquet`, `summary.csv`, `arrays.safetensors` where there are any, every figure as SVG and PDF and, last,
        `manifest.json`: where it is missing the run is not finished.
        """
        folder = Path(folder)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / MANIFEST).unlink(missing_ok=True)
        written = self._save_numbers(folder)
        with drawn(names=True):
            figures = _with_file_names(self.figures())
            written += self._save_figures(folder, figures)
        if (folder / CONFIG).is_file():
            written.append(folder / CONFIG)
        write_sealed(
            folder / MANIFEST,
            {
                "report": type(self).__name__,
                "question": self.question,
                "verdict": self.verdict(),
                "signature": self.signature.to_dict(),
                "settings": dict(self.settings),
                "notes": list(self.notes),
                "files": {path.name: checksum(path) for path in written},
                "figures": list(figures),
                "environment": environment(),
                "written": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
                "receipts": [asdict(receipt) for receipt in self.receipts],
                "texts": [asdict(text) for text in self.texts],
            },
        )
        return folder

    def _save_numbers(self, folder: Path) -> list[Path]:
        with whole(folder / _TABLE) as path:
            self.table.to_parquet(path, index=False)
        with whole(folder / _SUMMARY) as path:
            write_spreadsheet(self.summary(), path)
        written = [folder / _TABLE, folder / _SUMMARY]
        if self.arrays:
            with whole(folder / _ARRAYS) as path:
                save_file({name: np.ascontiguousarray(array) for name, array in self.arrays.items()}, path)
            written.append(folder / _ARRAYS)
        return written

    def _save_figures(self, folder: Path, figures: Mapping[str, Figure]) -> list[Path]:
        """Every figure twice: the SVG for a screen, with headline and signature, and the PDF for a paper, which knows them only."""
        import matplotlib

        written = []
        for index, (name, figure) in enumerate(figures.items()):
            told = {key: value for key, value in zip(("Title", "Subject", "Keywords"), words_of(figure), strict=True) if value}
            for suffix, metadata in (("svg", {"Date": None}), ("pdf", {"CreationDate": None, **told})):
                dress(figure, title=suffix == "svg", footer=suffix == "svg")
                if suffix == "pdf":
                    with_fonts(figure)
                with whole(folder / figure_file(index, name, suffix)) as path, matplotlib.rc_context(_SAVING), quiet():
                    figure.savefig(path, format=suffix, metadata=metadata)
                written.append(folder / figure_file(index, name, suffix))
        return written

    @classmethod
    def load(cls, folder: str | Path) -> Self:
        """The report of a finished run `folder`.

        Raises `ValueError` where the folder is unfinished or altered, or holds another kind of report than asked for.
        """
        folder = Path(folder)
        manifest = read_manifest(folder)
        kind = _kind(manifest["report"])
        if kind is None or not issubclass(kind, cls):
            raise ValueError(f"{folder}: got a {manifest['report']}, expected a {cls.__name__}. Read it with probes.Report.load.")
        check_files(folder, manifest, {_TABLE, _ARRAYS} & manifest["files"].keys())
        return kind(
            table=_read(pd.read_parquet, folder / _TABLE),
            signature=Signature.from_dict(manifest["signature"]),
            arrays=_read(load_file, folder / _ARRAYS) if _ARRAYS in manifest["files"] else {},
            settings=manifest["settings"],
            notes=tuple(manifest["notes"]),
            manifest=manifest,
            receipts=receipts_of(manifest),
            texts=texts_of(manifest),
        )


def with_receipts(measure: Callable[_Asked, _Made]) -> Callable[_Asked, _Made]:
    """`measure`, changed so that its report carries the receipts of the fast paths it took.

    Its `seed`, an argument or a field of the study it is a method of, draws what is computed again.
    """

    @wraps(measure)
    def measured(*args: _Asked.args, **kwargs: _Asked.kwargs) -> _Made:
        seed = kwargs.get("seed", getattr(args[0], "seed", 0) if args else 0)
        with collected(int(seed)) as receipts:  # type: ignore[call-overload]
            report = measure(*args, **kwargs)
        return replace(report, receipts=merge_receipts(receipts))

    return measured


def read_manifest(folder: str | Path) -> Manifest:
    """The manifest of a finished run `folder`. Raises `ValueError` where there is none, or it is not as a run wrote it."""
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise ValueError(f"{folder} holds no finished run: {MANIFEST} is missing. Finish it with --resume --output {folder}.")
    try:
        plain = read_sealed(safe_path(Path(folder), MANIFEST))
        validate(_Manifest, plain, path)
        manifest = cast(Manifest, plain)  # validated just now
        required = {_TABLE, _SUMMARY, *(figure_file(index, name) for index, name in enumerate(manifest["figures"]))}
        if missing := required - manifest["files"].keys():
            raise ValueError(f"{path} names no {min(missing)}")
    except ValueError as error:
        raise ValueError(f"{str(error).removesuffix('.')}. Not readable as a manifest; run the command again.") from None
    return manifest


def receipts_of(manifest: Manifest) -> tuple[Receipt, ...]:
    """The receipts in a `manifest`; none where it was written before there were any."""
    return tuple(Receipt(**entry) for entry in manifest.get("receipts", ()))


def texts_of(manifest: Manifest) -> tuple[TextRead, ...]:
    """What the run of a `manifest` read; none where it was written before that was kept, or from Python."""
    return tuple(TextRead(**{**entry, "notes": tuple(entry["notes"])}) for entry in manifest.get("texts", ()))


def check_files(folder: Path, manifest: Manifest, names: Iterable[str] | None = None) -> None:
    """Raise `ValueError` for the first file of a run `folder` that is not as the run wrote it.

    `manifest` has the checksums; `names` are the files to check, None for all.
    """
    for name in manifest["files"] if names is None else sorted(names):
        path = safe_path(folder, name)
        if not path.is_file() or checksum(path) != manifest["files"][name]:
            raise ValueError(f"{path} is missing or was altered since the run finished. Run it again with --resume.")


def figure_file(index: int, name: str, suffix: str = "svg") -> str:
    """The file name of a report's figure: "figure" for the main one (`index` 0), else with its `name`; `suffix` is svg or pdf."""
    return f"figure.{suffix}" if index == 0 else f"figure-{name}.{suffix}"


def _with_file_names(figures: Mapping[str, Figure]) -> dict[str, Figure]:
    """Figures by names that can stand in a file name on every system, whatever labels of the data their names were made from."""
    renamed: dict[str, Figure] = {}
    for index, (name, figure) in enumerate(figures.items()):
        safe = file_name(name)
        taken = {other.casefold() for other in renamed}  # some systems do not tell capitals apart
        renamed[f"{safe}-{index}" if safe.casefold() in taken else safe] = figure
    return renamed


def _read(reader: Callable[[Path], _Read], path: Path) -> _Read:
    try:
        return reader(path)
    except Exception as error:  # pandas, pyarrow and safetensors each have several of their own
        raise ValueError(f"{path} is not readable ({' '.join(str(error).split())[:200]}). Run it again with --resume.") from None


def _kind(name: str) -> type[Report] | None:
    """The report class of that name: one that is defined already, else one of `probes.__all__`."""
    defined = {kind.__name__: kind for kind in _subclasses(Report)}
    return defined[name] if name in defined else getattr(probes, name) if name in probes.__all__ else None


def _has_item_values(kind: type[Report]) -> bool:
    return kind.item_columns is not None or kind._item_values is not Report._item_values


def _paired_kinds() -> list[str]:
    kinds = {name: getattr(probes, name) for name in probes.__all__}
    return [name for name, kind in kinds.items() if isinstance(kind, type) and issubclass(kind, Report) and _has_item_values(kind)]


def _subclasses(kind: type[Report]) -> list[type[Report]]:
    return [subclass for child in kind.__subclasses__() for subclass in (child, *_subclasses(child))]
