"""The three parts of a data set, and what a run writes down about them."""

import json

import torch

from snnlab.data.batches.dense_set import DenseSet
from snnlab.data.batches.file_dataset import FileDataset
from snnlab.data.splits import DataSplits


def picture(path, seed):
    return torch.zeros(2, 3, 4, 5)


def files(folder, *names, labels=(0, 1)):
    return FileDataset([folder / name for name in names], torch.tensor(labels), ("a", "b"), picture)


def source(folder, name="one.jpg", labels=(0, 1)):
    parts = (
        files(folder, name, "two.jpg", labels=labels),
        files(folder, "v1", "v2"),
        files(folder, "t1", "t2"),
    )
    about = dict(name="imagenet", note="pictures", path=str(folder))
    return DataSplits(*parts, unit="brightness", preprocessing={"size": 4}, **about).source


def test_all_of_it(tmp_path):
    found = source(tmp_path)
    assert len(found.pop("sha256")) == 64
    assert found == {
        "name": "imagenet",
        "note": "pictures",
        "path": str(tmp_path),
        "batch": [2, "B", 3, 4, 5],
        "unit": "brightness",
        "samples": {"train": 2, "valid": 2, "test": 2},
        "preprocessing": {"size": 4},
        "origin": {},
    }
    json.dumps(found)


def test_the_checksum_is_of_names_and_labels_wherever_they_lie(tmp_path):
    def digest(*arguments, **more):
        return source(*arguments, **more)["sha256"]

    here, there = tmp_path / "here", tmp_path / "there"
    assert digest(here) == digest(there)
    assert digest(here) != digest(here, name="other.jpg")
    assert digest(here) != digest(here, labels=(1, 0))


def test_of_samples_made_here_it_is_of_their_content():
    def digest(x, y=0):
        parts = [DenseSet(torch.tensor([[[x]]]), torch.tensor([y]))] * 3
        return DataSplits(*parts).source["sha256"]

    assert digest(1.0) == digest(1.0)
    assert len({digest(1.0), digest(2.0), digest(1.0, 1), digest(1)}) == 4


def test_where_it_came_from(tmp_path):
    (tmp_path / "provenance.json").write_text('{"name": "shd", "archives": [{"md5": "f3"}]}')
    assert source(tmp_path)["origin"] == {
        "name": "shd",
        "archives": [{"md5": "f3"}],
    }
    # As if there were none
    for content in ("[" * 100_000, "[]", '{"archives": 3}', '{"files": []}'):
        (tmp_path / "provenance.json").write_text(content)
        assert source(tmp_path)["origin"] == {}
