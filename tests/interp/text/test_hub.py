"""A dataset of the Hub is streamed; without a network that is said."""

import pytest

from interp.text.read import read


def test_a_hub_dataset_is_streamed_by_language_columns_or_a_nested_translation(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    asked = []
    wide = datasets.Dataset.from_dict(
        {"id": [1, 2], "sentence_deu_Latn": ["a", "b"], "sentence_eng_Latn": ["c", "d"], "URL": ["u", "v"]}
    )
    nested = datasets.Dataset.from_list([{"translation": {"de": "a", "id": "b"}}])
    known = {
        "org/wide": datasets.IterableDatasetDict({"devtest": wide.to_iterable_dataset()}),
        "org/nested": nested.to_iterable_dataset(),
        "org/two": datasets.IterableDatasetDict({"dev": wide, "test": wide}),
    }

    def load_dataset(path: str, name: str | None, split: str | None, streaming: bool):
        asked.append((path, name, split, streaming))
        return known[path]

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    corpus = read("org/wide:all", languages=["en", "German"])
    assert corpus.sentences == {"eng_Latn": ("c", "d"), "deu_Latn": ("a", "b")}
    assert (corpus.name, corpus.ids, corpus.documents) == ("org/wide:all/devtest", ("1", "2"), ("u", "v"))
    assert read("hub:org/nested", split="train").sentences == {"deu_Latn": ("a",), "ind_Latn": ("b",)}
    assert asked == [("org/wide", "all", None, True), ("org/nested", None, "train", True)]
    with pytest.raises(ValueError, match=r"has splits dev, test. Choose one"):
        read("org/two")


def test_a_hub_dataset_without_a_network_is_a_clear_oserror(monkeypatch: pytest.MonkeyPatch) -> None:
    import datasets

    monkeypatch.setattr(datasets.config, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(OSError, match=r"hub dataset 'no-org/no-set' cannot be read: .*Check the network, or download") as refused:
        read("no-org/no-set")
    assert len(str(refused.value).splitlines()) == 1
