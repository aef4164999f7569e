import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.annotations import AnnotatedImage, csv_table, read_annotations
from fercli.common.errors import AnnotationError, InputError


def table(tmp_path, text):
    path = tmp_path / "boxes.csv"
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return path


@pytest.mark.parametrize(
    "text",
    [
        "path,x,y,w,h\na b.png,1,2,3,4\nc.png,,,,\na b.png,5,6,7,8\n",
        "a b.png,1,2,3,4\nc.png\na b.png,5,6,7,8",
        "\n\npath;x;y;w;h\na b.png;1;2;3;4\nc.png\na b.png;5;6;7;8\n",
        "\ufeffpath;x;y;w;h\r\na b.png;1;2;3;4\r\n\r\nc.png;;;;\r\na b.png;5;6;7;8\r\n",
        "height,width,top,left,id,File\n4,3,2,1,9,a b.png\n,,,,9,c.png\n8,7,6,5,9,a b.png\n",
        'path\tx\ty\tw\th\n"a b.png"\t1.2\t2\t3\t3.9\nc.png\na b.png\t5\t6\t7\t8\n',
    ],
)
def test_all_ways_to_write_the_same(tmp_path, text):
    images = read_annotations(table(tmp_path, text))
    assert [(p.path.relative_to(tmp_path).name, p.boxes_xywh) for p in images] == [
        ("a b.png", ((1, 2, 3, 4), (5, 6, 7, 8))),
        ("c.png", ()),
    ]


@pytest.mark.parametrize("mark", [",", ";", "\t"])
def test_a_image_without_an_object_may_come_first(tmp_path, mark):
    images = read_annotations(table(tmp_path, "a.png\nb.png,1,2,3,4\n".replace(",", mark)))
    assert [(p.path.name, p.boxes_xywh) for p in images] == [
        ("a.png", ()),
        ("b.png", ((1, 2, 3, 4),)),
    ]


def test_labels(tmp_path):
    path = table(tmp_path, "path,x,y,w,h,class\na.png,1,2,3,4,cat\na.png,5,6,7,8,dog\n")
    assert read_annotations(path, labels=["dog"])[0].boxes_xywh == ((5, 6, 7, 8),)
    with pytest.raises(AnnotationError, match="labeled 'cow'; the labels are 'cat', 'dog'"):
        read_annotations(path, labels=["cow"])


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("path,x,y,w\na.png,1,2,3\n", 1, "Expected the columns path,x,y,w,h, but h is missing"),
        ("x,y,w,h\n1,2,3,4\n", 1, "but path is missing"),
        ("a.png,1,2,3,4\nb.png,1,2,three,4\n", 2, "got '1,2,three,4'"),
        ("a.png,1,2,3\n", 1, "Expected x,y,w,h as numbers, got '1,2,3,'"),
        (",1,2,3,4\n", 1, "Expected the path of an image, got ''"),
        ('path,x,y,w,h\n"a.png', 2, None),
        ("a.png,nan,2,3,4\n", 1, "Expected a box in pixels"),
    ],
)
def test_malformed_lines_are_named(tmp_path, text, line, message):
    if message is None:
        assert read_annotations(table(tmp_path, text))[0].boxes_xywh == ()
        return
    with pytest.raises(AnnotationError, match=message) as raised:
        read_annotations(table(tmp_path, text))
    assert raised.value.line == line


def test_one_who_may_go_on_loses_the_malformed_lines_alone(tmp_path, complaints):
    path = table(tmp_path, "a.png,1,2,3,x\nb.png,1,2,3,4\nc.png,1\n")
    assert [r.path.name for r in csv_table.read(path, None, complaints)] == ["b.png"]
    assert [error.line for error in complaints] == [1, 3]


def test_not_text(tmp_path):
    with pytest.raises(InputError, match="wanted a UTF-8 text file, found byte 0xff"):
        read_annotations(table(tmp_path, b"a.png,\xff\n"))
    with pytest.raises(AnnotationError, match="The file is not a table: field larger than"):
        read_annotations(table(tmp_path, "a" * 200_000))


boxes = st.tuples(*[st.integers(-1000, 10_000)] * 4)
names = st.text(st.characters(exclude_categories=["Cs", "Cc"], exclude_characters="/\\"))


@given(
    st.dictionaries(names.map("f{}.png".format), st.lists(boxes, max_size=3).map(tuple), max_size=5)
)
def test_round_trip(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("csv")
    written = [AnnotatedImage(folder / name, boxes) for name, boxes in content.items()]
    csv_table.write(folder / "boxes.csv", written)
    assert read_annotations(folder / "boxes.csv") == written
