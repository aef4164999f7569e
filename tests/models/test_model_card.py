import zipfile

import pytest

from fercli.common.errors import InputError
from fercli.models.keras_model import CARD as CARD_NAME
from fercli.models.keras_model import read_card
from fercli.models.model_card import ModelCard, from_metadata, to_metadata

CARD = ModelCard(("happy", "sad"), (48, 40), 3, (1.0,) * 3, (2.0,) * 3, 36, "bgr", "cnn4", {"a": 1})


def test_a_card_comes_back_as_it_was():
    assert from_metadata(to_metadata(CARD)) == CARD
    assert from_metadata({}) is None


@pytest.mark.parametrize(
    "changed",
    [
        {"classes": "5"},
        {"classes": "[]"},
        {"classes": '["a", "a"]'},
        {"classes": 20_000 * "["},
        {"input_size": "0x48"},
        {"input_size": "48x-1"},
        {"input_size": "48x4294967296"},
        {"input_size": 48},
        {"channels": "2"},
        {"mean": "[1, 2]"},
        {"mean": "[NaN]"},
        {"mean": f"[1{400 * '0'}]"},
        {"std": "[0]"},
        {"std": "[Infinity]"},
        {"crop": "49"},
        {"crop": "-3"},
        {"training": "[1]"},
    ],
)
def test_what_no_model_can_be_is_an_error(changed):
    metadata = to_metadata(CARD) | {f"fer.{name}": text for name, text in changed.items()}
    with pytest.raises(ValueError):  # noqa: PT011  # its words vary
        from_metadata(metadata)


def test_a_file_with_a_card_that_is_nested_too_deeply_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.keras", "w") as archive:
        archive.writestr("config.json", "{}")
        archive.writestr(CARD_NAME, 20_000 * "[")
    with pytest.raises(InputError, match=r"neither a \.keras nor an HDF5 file"):
        read_card(tmp_path / "a.keras")


@pytest.mark.parametrize("metadata", [5, ["fer.classes"], "fer.classes", None])
def test_metadata_are_a_mapping(metadata):
    with pytest.raises(ValueError, match="Expected the metadata to be a mapping"):
        from_metadata(metadata)
