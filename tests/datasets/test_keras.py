"""A tree is what Keras's own reader of folders takes."""

import pytest

from fercli.datasets.tree import read_tree


@pytest.mark.slow
def test_keras_reads_a_tree(fer, fer_csv, tmp_path):
    keras = pytest.importorskip("keras", reason="pip install 'fercli[train]'")
    pytest.importorskip("tensorflow", reason="pip install 'fercli[train]'")
    rows = [(number % 7, "Training") for number in range(14)] + [
        (3, "PublicTest"),
        (6, "PublicTest"),
    ]
    assert fer("datasets", "import", fer_csv(rows), "--out", tmp_path / "out").status == 0
    tree = read_tree(tmp_path / "out")
    for split, count in (("train", 14), ("validation", 2)):
        found = keras.utils.image_dataset_from_directory(
            tmp_path / "out" / split, color_mode="grayscale", image_size=(48, 48), shuffle=False
        )
        # Classes that a split has no image of are counted all the same.
        assert tuple(found.class_names) == tree.classes
        labels = [int(label) for _, batch in found for label in batch]
        wanted = [tree.classes.index(r.label) for r in tree.records if r.split == split]
        assert (len(labels), labels) == (count, wanted)
