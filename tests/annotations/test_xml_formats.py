from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fercli.annotations import cvat, dlib, image_paths, voc
from fercli.annotations.base import AnnotatedImage
from fercli.annotations.image_paths import locate
from fercli.annotations.reading import read_annotations
from fercli.common.errors import AnnotationError, InputError
from fercli.common.xml import DEEPEST, read_xml

DLIB = """<?xml version='1.0' encoding='ISO-8859-1'?>
<?xml-stylesheet type='text/xsl' href='image_metadata_stylesheet.xsl'?>
<dataset><name>n</name><images>
  <image file='a b.png' width='64' height='48'>
    <box top='2' left='1' width='3' height='4'><label>face</label><part name='0' x='9' y='9'/></box>
    <box top='-6' left='5' width='7' height='8' ignore='1'/>
  </image>
  <image file='caf\u00e9.png'/>
</images></dataset>"""

VOC = """<annotation><folder>f</folder><filename>a.png</filename>
  <object><name>face</name><difficult>0</difficult>
    <bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax><ymax>6</ymax></bndbox>
    <part><name>nose</name><bndbox><xmin>9</xmin></bndbox></part></object>
  <object><name>dog</name><difficult>1</difficult>
    <bndbox><ymax>40.6</ymax><xmax>20</xmax><ymin>10.2</ymin><xmin>10</xmin></bndbox></object>
</annotation>"""


@pytest.mark.parametrize(("said", "difficult"), [("true", True), ("1.0", True), ("False", False)])
def test_marks_of_difficult_objects(tmp_path, said, difficult):
    """Whatever number or word a program writes."""
    for text, old in ((VOC, ">0<"), (DLIB, "ignore='1'")):
        path = tmp_path / "a.xml"
        new = f">{said}<" if text is VOC else f"ignore='{said}'"
        path.write_text(text.replace(old, new), encoding="iso-8859-1")
        (image, *_) = read_annotations(path)
        first = (0, 1, 3, 5) if text is VOC else (5, -6, 7, 8)
        assert (first in image.ignored_xywh) == difficult


def test_dlib(tmp_path):
    path = tmp_path / "boxes.xml"
    path.write_text(DLIB, encoding="iso-8859-1")
    assert read_annotations(path) == [
        AnnotatedImage(tmp_path / "a b.png", ((1, 2, 3, 4),), ((5, -6, 7, 8),)),
        AnnotatedImage(tmp_path / "café.png", ()),
    ]


@pytest.mark.parametrize(
    ("change", "line", "message"),
    [
        (("top='2'", ""), 5, "Expected a number for top, got none"),
        (("top='2'", "top='two'"), 5, "Expected a number for top, got 'two'"),
        (("file='a b.png'", ""), 4, "Expected <image file='…'>, but it names no file"),
        (("</images>", ""), 9, "The file is not XML: mismatched tag"),
        (("dataset", "data"), None, "none of them"),
    ],
)
def test_malformed_dlib_is_named(tmp_path, change, line, message):
    path = tmp_path / "boxes.xml"
    path.write_text(DLIB.replace(*change), encoding="iso-8859-1")
    with pytest.raises(AnnotationError, match=message) as raised:
        read_annotations(path)
    assert raised.value.line == line


def test_one_who_may_go_on_loses_the_malformed_image_alone(tmp_path, complaints):
    path = tmp_path / "boxes.xml"
    path.write_text(DLIB.replace("top='2'", ""), encoding="iso-8859-1")
    assert [r.path.name for r in dlib.read(path, None, complaints)] == ["café.png"]
    assert len(complaints) == 1


@pytest.mark.data
def test_dlib_of_dlib_itself(data):
    images = read_annotations(data / "photos" / "dlib_faces" / "testing.xml")
    assert [len(image.boxes_xywh) for image in images][:3] == [6, 3, 7]
    assert all(image.path.is_file() for image in images)


def voc_tree(tmp_path, *texts):
    (tmp_path / "Annotations").mkdir()
    for number, text in enumerate(texts):
        (tmp_path / "Annotations" / f"{number}.xml").write_text(text)
    return tmp_path / "Annotations"


def test_voc_counts_pixels_from_1_and_the_last_one_in(tmp_path, make_image):
    image = make_image("JPEGImages/a.png")
    assert read_annotations(voc_tree(tmp_path, VOC)) == [
        AnnotatedImage(image, ((0, 1, 3, 5),), ((9, 9, 11, 32),))
    ]
    assert read_annotations(tmp_path / "Annotations" / "0.xml")[0].path == image


def test_voc_image_is_found_by_the_xml_files_name_if_its_own_is_wrong(tmp_path, make_image):
    image = make_image("Annotations/0.jpg")
    folder = tmp_path / "Annotations"
    (folder / "0.xml").write_text(VOC)
    assert read_annotations(folder)[0].path == image


def test_voc_image_that_is_nowhere(tmp_path):
    folder = voc_tree(tmp_path, VOC)
    assert read_annotations(folder)[0].path == folder / "a.png"
    assert read_annotations(folder, images=Path("p"))[0].path == Path("p/a.png")


@pytest.mark.parametrize(
    ("change", "line", "message"),
    [
        (("<xmin>1</xmin>", ""), 3, "Expected <xmin> in <bndbox>, but there is none"),
        (("<xmin>1<", "<xmin>one<"), 3, "Expected a number for xmin, got 'one'"),
        (("<xmin>1<", "<xmin>9<"), 3, "Expected xmin ≤ xmax and ymin ≤ ymax, got 9 2 3 6"),
        (("bndbox", "box"), 2, "Expected <bndbox> in <object>, but there is none"),
        (("annotation>", "dataset>"), 1, "Expected <annotation>, got <dataset>"),
    ],
)
def test_malformed_voc_is_named_and_does_not_end_the_reading(
    tmp_path, change, line, message, complaints
):
    folder = voc_tree(tmp_path, VOC, VOC.replace(*change), "", VOC)
    assert len(voc.read(folder, None, complaints)) == 2
    assert message in complaints[0].message
    assert (complaints[0].path, complaints[0].line) == (folder / "1.xml", line)
    assert "The file is not XML: no element found" in complaints[1].message


def test_entities_are_refused(tmp_path):
    laughs = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 10))
    path = tmp_path / "a.xml"
    path.write_text(f'<!DOCTYPE a [<!ENTITY l0 "ha">{laughs}]>\n<a>&l9;</a>')
    with pytest.raises(AnnotationError, match="declares an entity"):
        read_xml(path)
    path.write_text('<!DOCTYPE a [<!ENTITY x SYSTEM "/etc/passwd">]><a>&x;</a>')
    with pytest.raises(AnnotationError, match="declares an entity"):
        read_xml(path)


def test_depth_is_bounded(tmp_path):
    path = tmp_path / "a.xml"
    path.write_text("<a>" * DEEPEST + "</a>" * DEEPEST)
    assert read_xml(path).root.tag == "a"
    path.write_text("<a>" * 100_000)
    with pytest.raises(AnnotationError, match=f"nested more than {DEEPEST} deep"):
        read_xml(path)


@pytest.mark.parametrize(
    "content", [b"", b"\0", b"<", b"\xff\xfe<\0", b"<?xml version='1.0' encoding='nope'?><a/>"]
)
def test_garbage_is_not_xml(tmp_path, content):
    path = tmp_path / "a.xml"
    path.write_bytes(content)
    with pytest.raises(AnnotationError, match="is not XML"):
        read_xml(path)


def test_xml_that_is_too_large_or_a_folder(tmp_path, monkeypatch):
    path = tmp_path / "a.xml"
    path.write_text("<a></a>")
    monkeypatch.setattr("fercli.common.xml.LARGEST_FILE", 6)
    with pytest.raises(AnnotationError, match="the most that is read"):
        read_xml(path)
    with pytest.raises(InputError, match="a folder"):
        read_xml(tmp_path)


boxes = st.tuples(*[st.integers(-1000, 10_000)] * 4)
names = st.text(
    st.characters(exclude_categories=["Cs", "Cc", "Cn"], exclude_characters="/\\\ufffe\uffff")
)


@given(
    st.dictionaries(
        names.map("f{}.png".format),
        st.tuples(st.lists(boxes, max_size=3).map(tuple), st.lists(boxes, max_size=2).map(tuple)),
        max_size=5,
    )
)
def test_round_trip_of_dlib(tmp_path_factory, content):
    folder = tmp_path_factory.mktemp("dlib")
    written = [AnnotatedImage(folder / name, *both) for name, both in content.items()]
    dlib.write(folder / "boxes.xml", written)
    assert read_annotations(folder / "boxes.xml") == written


def test_a_voc_image_that_is_where_it_should_be_is_looked_for_once(
    tmp_path, make_image, monkeypatch
):
    make_image("JPEGImages/a.png")
    looked = []

    def counted(*args):
        looked.append(args)
        return locate(*args)

    monkeypatch.setattr(image_paths, "locate", counted)
    read_annotations(voc_tree(tmp_path, VOC))
    assert len(looked) == 1


def test_imglab_declares_latin_1_over_utf_8(tmp_path, make_image, notes):
    image = make_image("café.png")
    path = tmp_path / "boxes.xml"
    path.write_text(DLIB, encoding="utf-8")  # the declaration says ISO-8859-1
    assert read_annotations(path)[1].path == image
    assert f"{path}: declared as ISO-8859-1, but UTF-8, and read so" in notes()


def test_rotated_boxes_of_rolabelimg(tmp_path, make_image, notes):
    make_image("a.png")
    (tmp_path / "a.xml").write_text(
        "<annotation><filename>a</filename><object><type>robndbox</type><name>s</name><robndbox>"
        "<cx>30</cx><cy>20</cy><w>20</w><h>10</h><angle>1.5707963267948966</angle></robndbox>"
        "</object><object><name>s</name><bndbox><xmin>1</xmin><ymin>2</ymin><xmax>3</xmax>"
        "<ymax>6</ymax></bndbox></object></annotation>"
    )
    (image,) = read_annotations(tmp_path)
    assert image.boxes_xywh == ((0, 1, 3, 5), (25, 10, 10, 20))
    assert "rotated boxes, the boxes around them used: 1" in notes()[0]


def test_fractions_in_voc(tmp_path, make_image, notes):
    make_image("a.png", 64, 48)
    (tmp_path / "a.xml").write_text(
        "<annotation><filename>a.png</filename><object><name>s</name><bndbox><xmin>0.25</xmin>"
        "<ymin>0.5</ymin><xmax>0.5</xmax><ymax>0.75</ymax></bndbox></object></annotation>"
    )
    assert read_annotations(tmp_path)[0].boxes_xywh == ((16, 24, 16, 12),)
    assert "boxes given as fractions of their images: 1" in notes()[0]


CVAT = """<annotations><version>1.1</version>
<image id="0" name="a.png" width="64" height="48">
<box label="s" xtl="10.4" ytl="20" xbr="40" ybr="28" occluded="0"/>
<box label="s" xtl="20" ytl="10" xbr="40" ybr="20" rotation="90.0"/>
<polygon label="t" points="1,2;4,2.5;4,6"/><ellipse label="t" cx="9" cy="9" rx="3" ry="2"/>
<points label="t" points="1,1"/><mask label="t" left="3" top="4" width="5" height="6" rle=""/>
</image><image id="1" name="b.png" width="64" height="48"/></annotations>"""


def test_cvat(tmp_path, notes):
    path = tmp_path / "annotations.xml"
    path.write_text(CVAT)
    first, second = cvat.read(path)
    boxes = [(10, 20, 30, 8), (25, 5, 10, 20), (1, 2, 3, 4), (6, 7, 6, 4), (3, 4, 5, 6)]
    assert [box.rounded() for box in first.boxes] == boxes
    assert [box.label for box in first.boxes] == ["s", "s", "t", "t", "t"]
    assert (second.path, second.boxes) == (tmp_path / "b.png", ())
    assert sorted(note.rpartition("xml: ")[2] for note in notes()) == [
        "outlines, their bounding boxes used: 3",
        "rotated boxes, the boxes around them used: 1",
        "shapes <points>, left out: 1",
    ]


@pytest.mark.parametrize(
    ("change", "line", "message"),
    [
        (('name="a.png"', ""), 2, "names no file"),
        (('xtl="10.4"', ""), 3, "Expected a number for xtl, got none"),
        (("1,2;4", "1;4"), 5, "Expected a number for points"),
        (("<version>", "<track id='0'/><version>"), None, "tracks of a video.*CVAT for images"),
    ],
)
def test_malformed_cvat_is_named(tmp_path, change, line, message):
    path = tmp_path / "annotations.xml"
    path.write_text(CVAT.replace(*change))
    with pytest.raises(AnnotationError, match=message) as raised:
        read_annotations(path)
    assert raised.value.line == line


def test_voc_counted_from_0_is_told(tmp_path, make_image, notes):
    make_image("a.png")
    (tmp_path / "a.xml").write_text(
        "<annotation><filename>a.png</filename>"
        "<object><name>s</name><bndbox><xmin>0</xmin><ymin>2</ymin><xmax>3</xmax><ymax>6</ymax>"
        "</bndbox></object><object><name>s</name><bndbox><xmin>1</xmin><ymin>1</ymin>"
        "<xmax>2</xmax><ymax>2</ymax></bndbox></object></annotation>"
    )
    (image,) = read_annotations(tmp_path)
    assert image.boxes_xywh == ((-1, 1, 4, 5), (0, 0, 2, 2))
    kind = "boxes with a coordinate 0, though VOC counts pixels from 1; taken as from 1: 1"
    assert kind in notes()[0]


def test_a_rotation_that_is_no_angle_is_refused(tmp_path, make_image):
    make_image("a.png")
    path = tmp_path / "cvat.xml"
    path.write_text(
        '<annotations><version>1.1</version>\n<image id="0" name="a.png">\n'
        '<box label="face" xtl="1" ytl="2" xbr="20" ybr="30" rotation="1e309"/>'
        "</image></annotations>"
    )
    with pytest.raises(AnnotationError, match=r"cvat\.xml"):
        read_annotations(path)
