import pytest

from fercli.cascade.model import (
    Cascade,
    HaarFeature,
    Node,
    Stage,
    WeakClassifier,
    WeightedRectangle,
    cascade_text,
    write_cascade,
)
from fercli.cascade.model.describe import depth, describe_cascade
from fercli.common.errors import CascadeFileError


def tree(*children):
    nodes = tuple(Node(left, right, 0, threshold=0.0) for left, right in children)
    return WeakClassifier(nodes, tuple(float(at) for at in range(len(nodes) + 1)))


@pytest.mark.parametrize(
    ("weak", "expected"),
    [
        (tree((0, -1)), 1),
        (tree((1, 0), (-1, -2)), 2),
        (tree((1, 2), (0, -1), (-2, -3)), 2),
        (tree((1, 0), (-1, 2), (-2, -3)), 3),
    ],
)
def test_depth_by_hand(weak, expected):
    assert depth(weak) == expected


@pytest.fixture
def described(tmp_path):
    upright = HaarFeature((WeightedRectangle(0, 0, 6, 4, -1.0), WeightedRectangle(3, 0, 3, 4, 2.0)))
    tilted = HaarFeature((WeightedRectangle(5, 1, 2, 3, -1.0),), tilted=True)
    several = WeakClassifier(
        (Node(1, 0, 0, threshold=0.0), Node(-1, -2, 1, threshold=0.0)), (0.0, 1.0, 2.0)
    )
    stump = WeakClassifier((Node(0, -1, 2, threshold=0.0),), (-1.0, 1.0))
    stages = (Stage(0.5, (several, stump)), Stage(-0.25, (stump,)))
    trained = {"boostType": "GAB", "minHitRate": 0.995, "maxWeakCount": 100}
    cascade = Cascade("HAAR", (12, 9), stages, (upright, tilted, upright), trained)
    write_cascade(tmp_path / "cascade.xml", cascade)
    return describe_cascade(tmp_path / "cascade.xml")


def test_everything_is_told(described):
    assert described.to_dict() == {
        "path": str(described.path),
        "file_size": described.path.stat().st_size,
        "format": "new",
        "feature_type": "HAAR",
        "window": [12, 9],
        "weak_classifiers": 3,
        "depth": 2,
        "features": 3,
        "distinct_features": 2,
        "tilted_features": 1,
        "parameters": {"boostType": "GAB", "minHitRate": 0.995, "maxWeakCount": 100},
        "notes": [],
        "stages": [
            {
                "stage": 0,
                "weak_classifiers": 2,
                "nodes": 3,
                "depth": 2,
                "features": 3,
                "threshold": 0.5,
            },
            {
                "stage": 1,
                "weak_classifiers": 1,
                "nodes": 1,
                "depth": 1,
                "features": 1,
                "threshold": -0.25,
            },
        ],
    }


def test_the_text_for_people(described):
    facts, table = described.to_text().split("\n\n")
    assert [line.split("  ", 1)[1].strip() for line in facts.splitlines()[1:]] == [
        "new (opencv_traincascade)",
        "HAAR",
        "12x9",
        "2",
        "3, trees of depth 1 to 2",
        "3, 2 of them different, 1 tilted",
        "boostType GAB, minHitRate 0.995, maxWeakCount 100",
    ]
    assert [line.split() for line in table.splitlines()[1:]] == [
        ["0", "2", "3", "2", "3", "0.500"],
        ["1", "1", "1", "1", "1", "-0.250"],
    ]


def test_a_real_cascade(face_cascade):
    told = describe_cascade(face_cascade).to_dict()
    assert (told["feature_type"], told["window"]) == ("LBP", [24, 24])
    assert (told["weak_classifiers"], told["features"], told["depth"]) == (139, 136, 1)
    assert "139, all stumps" in describe_cascade(face_cascade).to_text()


def test_counts_that_are_not_those_of_the_file_are_noted(haar, tmp_path):
    """A stage was deleted by hand, and a weak classifier: cv2 loads what is left."""
    path = tmp_path / "cascade.xml"
    text = cascade_text(haar)
    count = len(haar.stages)
    first = len(haar.stages[0].weak_classifiers)
    assert describe_cascade(_written(path, text)).notes == ()
    changed = text.replace(f"<stageNum>{count}<", f"<stageNum>{count + 1}<").replace(
        f"      <maxWeakCount>{first}<", f"      <maxWeakCount>{first + 2}<", 1
    )
    told = describe_cascade(_written(path, changed))
    assert told.notes == (
        f"the file says {count + 1} stages, and has {count}",
        f"the file says {first + 2} weak classifiers in stage 0, and has {first}",
    )
    assert told.to_dict()["notes"] == list(told.notes)
    assert f"note: {told.notes[0]}" in told.to_text()


def _written(path, text):
    path.write_text(text)
    return path


def test_what_is_no_cascade_is_named(tmp_path):
    with pytest.raises(CascadeFileError, match="a folder"):
        describe_cascade(tmp_path)
