import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.annotations import csv_table
from fercli.annotations.base import AnnotatedImage
from fercli.annotations.reading import read_annotations
from fercli.common.errors import AnnotationError, InputError, OptionError


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
    with pytest.raises(InputError, match="Expected a UTF-8 text file, found byte 0xff"):
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


EXACT = [  # a header, a line, the box that it means, and what is said of the columns
    ("path,x,y,w,h", "a.png,1,2,3,4", (1, 2, 3, 4), ""),
    (
        "image,width,height,x,y,w,h",
        "a.png,64,48,1,2,3,4",
        (1, 2, 3, 4),
        "image as path; width,height as size of the image",
    ),
    ("name,filename,x,y,w,h", "s,a.png,1,2,3,4", (1, 2, 3, 4), "filename as path; name as label"),
    (
        "path,x,y,w,h,class,label",
        "a.png,1,2,3,4,7,s",
        (1, 2, 3, 4),
        "path,x,y,w,h,label as they are called; not used: class",
    ),
    (
        "filename,width,height,class,xmin,ymin,xmax,ymax",
        "a.png,64,48,s,1,2,4,6",
        (1, 2, 3, 4),
        "filename as path; xmin,ymin,xmax,ymax as corners; class as label; "
        "width,height as size of the image",
    ),
    ("path,x1,y1,x2,y2", "a.png,1,2,4,6", (1, 2, 3, 4), "x1,y1,x2,y2 as corners"),
    ("path,ymin,xmin,ymax,xmax", "a.png,2,1,6,4", (1, 2, 3, 4), "xmin,ymin,xmax,ymax as corners"),
    (
        "file,left,top,width,height",
        "a.png,1,2,3,4",
        (1, 2, 3, 4),
        "left,top,width,height as x,y,w,h",
    ),
    ("file,left,top,right,bottom", "a.png,1,2,4,6", (1, 2, 3, 4), "as corners"),
    ("Image, X Center, Y Center, W, H", "a.png,3,5,4,6", (1, 2, 4, 6), "as center and sides"),
    (
        "image_id,width,height,bbox,source",
        'a.png,64,48,"[1.0, 2.0, 3.0, 4.0]",x',
        (1, 2, 3, 4),
        "image_id as path; bbox as box; width,height as size of the image; not used: source",
    ),
    ("image_id,x_1,y_1,width,height", "a.png,1,2,3,4", (1, 2, 3, 4), "x_1,y_1,width,height as"),
    (  # the German Traffic Sign Recognition Benchmark
        "Filename;Width;Height;Roi.X1;Roi.Y1;Roi.X2;Roi.Y2;ClassId",
        "a.png;64;48;1;2;4;6;0",
        (1, 2, 3, 4),
        "Roi.X1,Roi.Y1,Roi.X2,Roi.Y2 as corners; Width,Height as size of the image",
    ),
]


@pytest.mark.parametrize(("header", "line", "box", "said"), EXACT)
def test_columns_are_taken_by_their_exact_names_first(
    tmp_path, make_image, header, line, box, said, notes
):
    make_image("a.png", 64, 48)
    path = tmp_path / "boxes.csv"
    path.write_text(f"{header}\n{line}\n")
    (record,) = csv_table.read(path)
    assert record.in_pixels().boxes_xywh == (box,)
    assert {b.label for b in record.boxes} <= {"", "s"}
    told = notes()
    assert not told if not said else said in told[0]


def test_two_sizes_of_one_image_are_named(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("path,width,height,x,y,w,h\na.png,64,48,1,2,3,4\na.png,48,64,1,2,3,4\n")
    with pytest.raises(AnnotationError, match=r"boxes\.csv:3: Two sizes are stated for a\.png"):
        csv_table.read(path)


@pytest.mark.parametrize("box_format", ["xywh", "xyxy", None])
def test_numbers_that_may_be_corners(tmp_path, box_format, notes):
    path = tmp_path / "boxes.csv"
    path.write_text("a.png,10,20,40,28\nb.png,1,2,5,9\n")
    boxes = [r.in_pixels().boxes_xywh[0] for r in csv_table.read(path, box_format=box_format)]
    if box_format == "xyxy":
        assert boxes == [(10, 20, 30, 8), (1, 2, 4, 7)]
    else:
        assert boxes == [(10, 20, 40, 28), (1, 2, 5, 9)]
    told = notes()
    assert len(told) == (box_format is None)
    assert box_format or "--box-format xyxy takes them for those): 2" in told[0]


def test_numbers_that_only_fit_their_images_as_corners(tmp_path, make_image, notes):
    make_image("a.png", 64, 48)
    path = tmp_path / "boxes.csv"
    path.write_text("a.png,30,20,60,48\n")
    (record,) = csv_table.read(path)
    assert record.in_pixels().boxes_xywh == ((30, 20, 30, 28),)
    assert (
        "taken for corners x1,y1,x2,y2, since as x,y,w,h they leave their images: 1" in notes()[0]
    )


@pytest.mark.parametrize(
    ("text", "box", "told"),
    [  # a column bbox does not say what is in it, columns x, y, w, h do
        ('path,bbox\na.png,"[30, 20, 60, 48]"\n', (30, 20, 30, 28), "boxes taken for corners"),
        ("path,x,y,w,h\na.png,30,20,60,48\n", (30, 20, 60, 48), "taken as x,y,w,h; as two corners"),
        ('path,bbox\na.png,"[3, 2, 6, 4]"\n', (3, 2, 6, 4), "boxes taken for x,y,w,h, though"),
        ("path,x,y,w,h\na.png,3,2,6,4\n", (3, 2, 6, 4), ""),
    ],
)
def test_named_columns_that_may_hold_corners(tmp_path, make_image, notes, text, box, told):
    make_image("a.png", 64, 48)
    path = tmp_path / "boxes.csv"
    path.write_text(text)
    (record,) = csv_table.read(path)
    assert record.in_pixels().boxes_xywh == (box,)
    told_of_corners = [note for note in notes() if "corners" in note]
    assert [told in note for note in told_of_corners] == ([True] if told else [])


def test_a_single_line_that_cannot_be_corners_settles_it(tmp_path, notes):
    path = tmp_path / "boxes.csv"
    path.write_text("a.png,10,20,40,28\nb.png,50,2,5,9\n")
    assert csv_table.read(path)[0].in_pixels().boxes_xywh == ((10, 20, 40, 28),)
    assert notes() == []


def test_box_formats_are_for_tables(tmp_path):
    (tmp_path / "info.dat").write_text("a.png 1 1 2 3 4\n")
    with pytest.raises(OptionError, match="`box_format` is for tables"):
        read_annotations(tmp_path / "info.dat", box_format="xyxy")


AUTOML = """TRAIN,gs://b/photos/a.png,sign,0.25,0.5,,,0.5,0.75,,
VALIDATE,gs://b/photos/a.png,car,0.0,0.0,0.5,0.0,0.5,0.25,0.0,0.25
UNASSIGNED,gs://b/photos/b.png,,,,,,,,,
"""


def test_fractions_of_automl(tmp_path, make_image, notes):
    for name in ("a.png", "b.png"):
        make_image(f"photos/{name}", 64, 48)
    (tmp_path / "automl.csv").write_text(AUTOML)
    images = read_annotations(tmp_path / "automl.csv")
    assert [image.boxes_xywh for image in images] == [((16, 24, 16, 12), (0, 0, 32, 12)), ()]
    assert any("boxes given as fractions of their images: 2" in note for note in notes())


def test_fractions_in_columns(tmp_path, make_image, notes):
    make_image("a.png", 64, 48)
    path = tmp_path / "boxes.csv"
    path.write_text("path,xmin,ymin,xmax,ymax\na.png,0.25,0.5,0.5,0.75\n")
    assert read_annotations(path)[0].boxes_xywh == ((16, 24, 16, 12),)
    assert f"{path}: boxes given as fractions of their images: 1" in notes()


def test_a_table_in_utf_16(tmp_path):
    path = tmp_path / "boxes.csv"
    path.write_text("path,x,y,w,h\nä.png,1,2,3,4\n", encoding="utf-16")
    assert read_annotations(path)[0].path.name == "ä.png"


@pytest.mark.parametrize("column", ["ignored", "difficult", "Ignore", "iscrowd", "IsGroupOf"])
def test_boxes_that_are_not_counted(tmp_path, column):
    table = tmp_path / "boxes.csv"
    said = ["", "0", "1", "false", "True", "no", "yes", "0.0", "1.0", "-1", "nan"]
    rows = [f"a.png,{n},1,5,5,{word}" for n, word in enumerate(said)]
    table.write_text("\n".join([f"path,x,y,w,h,{column}", *rows]) + "\n")
    (record,) = csv_table.read(table)
    ignored = [said[int(box.x)] for box in record.boxes if box.ignored]
    assert ignored == ["1", "True", "yes", "1.0"]


def test_ignored_boxes_come_back_with_their_labels(tmp_path):
    image = AnnotatedImage(
        tmp_path / "a.png", ((1, 2, 3, 4),), ((5, 6, 7, 8),), labels=("cat",),
        ignored_labels=("dog",),
    )  # fmt: skip
    plain = AnnotatedImage(tmp_path / "b.png", (), ())
    csv_table.write(tmp_path / "boxes.csv", [image, plain])
    assert (tmp_path / "boxes.csv").read_text() == (
        "path,x,y,w,h,label,ignored\na.png,1,2,3,4,cat,\na.png,5,6,7,8,dog,1\nb.png,,,,,,\n"
    )
    first, second = csv_table.read(tmp_path / "boxes.csv")
    assert [(box.label, box.ignored) for box in first.boxes] == [("cat", 0), ("dog", 1)]
    assert first.in_pixels().ignored_xywh == ((5, 6, 7, 8),)
    assert second.boxes == ()
