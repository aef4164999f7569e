"""Get faces, and photographs without faces, for training from packages that pip can install.

The faces are the 16,520 frontal ones of 24×24 that OpenCV's source contains as a ``.vec`` file;
the photographs come from that source and from scikit-image. Files of the source package are kept
in fer's cache, so that it is downloaded once.
"""

from __future__ import annotations

import hashlib
import importlib.util
import shutil
from collections.abc import Mapping, Set
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from fercli.cascade.opencv3.programs import cache_folder
from fercli.cascade.opencv3.source import archived_files, download_source, find_root, not_the_source
from fercli.common.errors import DependencyError, OutputExistsError
from fercli.common.files import atomic_folder, atomic_write, require_absent
from fercli.common.processes import signals_as_interrupts
from fercli.common.progress import SILENT, Progress
from fercli.common.tables import counted
from fercli.run_folder import work_folder

#: Of OpenCV's source, by their path in its folder.
OPENCV_PHOTOGRAPHS = (
    *(f"samples/data/{name}" for name in (
        "aero1.jpg", "aero3.jpg", "aloeL.jpg", "apple.jpg", "baboon.jpg", "blox.jpg", "board.jpg",
        "box.png", "box_in_scene.png", "building.jpg", "butterfly.jpg", "cards.png",
        "chicky_512.png", "digits.png", "fruits.jpg", "home.jpg", "imageTextN.png", "left.jpg",
        "left01.jpg", "left03.jpg", "left12.jpg", "licenseplate_motion.jpg", "notes.png",
        "orange.jpg", "pca_test1.jpg", "rubberwhale1.png", "smarties.png", "starry_night.jpg",
        "stuff.jpg", "text_defocus.jpg", "text_motion.jpg",
    )),
    "samples/cpp/tutorial_code/calib3d/real_time_pose_estimation/Data/resized_IMG_3875.JPG",
    "doc/js_tutorials/js_assets/coins.jpg",
    "doc/js_tutorials/js_assets/handDst.jpg",
    "doc/py_tutorials/py_photo/py_hdr/images/fusion_mertens.jpg",
    "doc/py_tutorials/py_feature2d/py_features_meaning/images/feature_building.jpg",
    "doc/tutorials/core/basic_linear_transform/images/"
    "Basic_Linear_Transform_Tutorial_gamma_correction.jpg",
    "doc/tutorials/dnn/dnn_android/11_demo.jpg",
    "doc/tutorials/dnn/images/space_shuttle.jpg",
    "doc/tutorials/imgcodecs/images/gdal-io.jpg",
    "doc/tutorials/imgproc/anisotropic_image_segmentation/images/gst_input.jpg",
    "doc/tutorials/imgproc/erosion_dilatation/images/Morphology_1_Tutorial_Original_Image.jpg",
    "doc/tutorials/imgproc/histograms/histogram_calculation/images/"
    "Histogram_Calculation_Original_Image.jpg",
    "doc/tutorials/imgproc/histograms/template_matching/images/"
    "Template_Matching_Template_Theory_Sliding.jpg",
    "doc/tutorials/imgproc/imgtrans/hough_lines/images/Hough_Lines_Tutorial_Original_Image.jpg",
    "doc/tutorials/imgproc/imgtrans/laplace_operator/images/"
    "Laplace_Operator_Tutorial_Original_Image.jpg",
    "doc/tutorials/imgproc/imgtrans/warp_affine/images/Warp_Affine_Tutorial_Original_Image.jpg",
    "doc/tutorials/imgproc/motion_deblur_filter/images/motion_original.jpg",
    "doc/tutorials/imgproc/out_of_focus_deblur_filter/images/original.jpg",
    "doc/tutorials/imgproc/shapedescriptors/bounding_rects_circles/images/"
    "Bounding_Rects_Circles_Source_Image.jpg",
    "doc/tutorials/features2d/trackingmotion/harris_detector/images/"
    "Harris_Detector_Original_Image.jpg",
    "doc/tutorials/photo/images/hdr.png",
    "doc/tutorials/stitching/stitcher/images/boat.jpg",
    "doc/tutorials/stitching/stitcher/images/budapest.jpg",
)  # fmt: skip

#: Of scikit-image's package, in its folder of data.
SKIMAGE_PHOTOGRAPHS = (
    "brick.png", "cell.png", "chelsea.png", "chessboard_GRAY.png", "clock_motion.png",
    "coffee.png", "color.png", "grass.png", "gravel.png", "horse.png", "hubble_deep_field.jpg",
    "ihc.png", "logo.png", "moon.png", "motorcycle_left.png", "retina.jpg",
    "rocket.jpg", "text.png",
)  # fmt: skip


#: The faces, by their path in OpenCV's folder.
FACES = "data/vec_files/trainingfaces_24-24.vec"
FACES_NAME = PurePosixPath(FACES).name
FACES_SHA256 = "efe8cab17389dd203610170d075c339f85e1cf93320abacaf4511322c25859e3"
FACES_COUNT = 16_520

#: OpenCV's photographs, by their names in a folder with others.
OPENCV_NAMES = {f"opencv-{PurePosixPath(path).name}": path for path in OPENCV_PHOTOGRAPHS}

#: Peak disk usage of a download, and of the results alone (with an archive), rounded up, in MB.
MEGABYTES_TO_DOWNLOAD, MEGABYTES_TO_UNPACK = 350, 50


@dataclass(frozen=True)
class Fetched:
    """The result of `fetch_faces`.

    Parameters
    ----------
    faces : Path
        The ``.vec`` file.
    negatives : Path or None
        The folder of photographs, if asked for.
    photographs : int
        Number of photographs.
    written : tuple of Path
        Those of the two that were written now.
    """

    faces: Path
    negatives: Path | None
    photographs: int
    written: tuple[Path, ...]

    def to_text(self) -> str:
        """Return a line on the faces, and one on the photographs."""
        lines = [(self.faces, f"{FACES_COUNT:,} faces of 24x24")]
        if self.negatives is not None:
            lines.append(
                (self.negatives, f"{counted(self.photographs, 'photograph')} without faces")
            )
        return "\n".join(
            f"{path}  {what}{'' if path in self.written else ', already there'}"
            for path, what in lines
        )


def fetch_faces(
    faces: Path,
    *,
    negatives: Path | None = None,
    source: Path | None = None,
    overwrite: bool = False,
    progress: Progress = SILENT,
) -> Fetched:
    """Write the faces of OpenCV's source, and photographs without faces, unless present.

    Parameters
    ----------
    faces : Path
        The ``.vec`` file to write.
    negatives : Path, optional
        A folder to write photographs to: those of OpenCV's source and of scikit-image.
    source : Path, optional
        An archive of OpenCV 3's source. By default it is downloaded once.
    overwrite : bool
        Whether another file, or a folder with only some of these photographs, may be replaced.
        Defaults to False.
    progress : Progress
        Shows bars over the download and over what is unpacked.

    Raises
    ------
    DependencyError
        pip cannot get the source package, or scikit-image is not installed.
    InputError
        `source` is not an archive of OpenCV 3's source, or is damaged.
    OutputError
        The target is something else, or cannot be written.
    """
    others = {} if negatives is None else _skimage_photographs()
    names = {*OPENCV_NAMES, *others}
    missing = []
    if negatives is not None and not names <= _names(negatives):
        _require_replaceable(negatives, names, overwrite=overwrite)
        missing.append(negatives)
    if _digest(faces) != FACES_SHA256:
        require_absent(faces, overwrite=overwrite)
        missing.append(faces)
    if missing:
        kept = _cached(source, progress)
    for path in missing:
        if path is faces:
            with atomic_write(faces, overwrite=overwrite) as temporary:
                shutil.copyfile(kept / FACES_NAME, temporary)
        else:
            _copy({**{name: kept / name for name in OPENCV_NAMES}, **others}, path)
    return Fetched(faces, negatives, len(names), tuple(missing))


def _skimage_photographs() -> dict[str, Path]:
    """Return the photographs of scikit-image, by their names in a folder with others."""
    return {f"skimage-{name}": skimage_file(name) for name in SKIMAGE_PHOTOGRAPHS}


def skimage_file(name: str) -> Path:
    """Return a file of the data that scikit-image's package carries.

    Raises
    ------
    DependencyError
        scikit-image is not installed, or its version does not have the file.
    """
    package = importlib.util.find_spec("skimage")
    if package is None or package.origin is None:
        raise DependencyError(
            "The images come from the package scikit-image, which is not installed",
            hint='pip install "fercli[demo]"',
        )
    file = Path(package.origin).parent / "data" / name
    if not file.is_file():
        raise DependencyError(
            "The installed version of scikit-image does not have this file",
            hint="pip install scikit-image==0.26.0",
            path=file,
        )
    return file


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()} if folder.is_dir() else set()


def _require_replaceable(folder: Path, names: Set[str], *, overwrite: bool) -> None:
    """Raise `OutputExistsError` if other files would be lost."""
    if not folder.is_dir():
        require_absent(folder, overwrite=False)
    there = _names(folder)
    if there - names:
        raise OutputExistsError(
            f"The folder holds other files, such as {min(there - names)}",
            hint="use another folder",
            path=folder,
        )
    if there and not overwrite:
        raise OutputExistsError(
            f"The folder already holds {len(there)} of {len(names)} photographs",
            hint="use `overwrite`",
            path=folder,
        )


def _copy(files: Mapping[str, Path], folder: Path) -> None:
    with atomic_folder(folder, overwrite=True) as temporary:
        for name, path in files.items():
            shutil.copyfile(path, temporary / name)


def _digest(path: Path) -> str | None:
    """Return the SHA-256 of a file, None if it cannot be read."""
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError:
        return None


def _cached(source: Path | None, progress: Progress) -> Path:
    """Return the cache folder of the faces and OpenCV's photographs, filled if necessary."""
    folder = cache_folder("opencv-data")
    kept = folder / "fetched"
    if _digest(kept / FACES_NAME) == FACES_SHA256 and OPENCV_NAMES.keys() <= _names(kept):
        return kept
    needed = MEGABYTES_TO_DOWNLOAD if source is None else MEGABYTES_TO_UNPACK
    hint = "set XDG_CACHE_HOME to a folder on another disk"
    with (
        signals_as_interrupts(),
        work_folder(folder, "a download", megabytes=needed, hint=hint) as place,
    ):
        unpacked = place / "unpacked"
        _unpack(source or download_source(place, progress), unpacked, progress)
        shutil.rmtree(kept, ignore_errors=True)
        unpacked.rename(kept)
    return kept


def _unpack(archive: Path, folder: Path, progress: Progress) -> None:
    """Unpack the faces and the photographs of OpenCV's source into a folder to be made.

    Raises
    ------
    InputError
        The archive is damaged, or lacks one of them.
    """
    folder.mkdir()
    with archived_files(archive) as files:
        root = find_root(files, FACES, archive)
        chosen_names = {root / FACES: FACES_NAME}
        chosen_names |= {root / path: name for name, path in OPENCV_NAMES.items()}
        for path in chosen_names.keys() - files.keys():
            raise not_the_source(f"it has no {path.relative_to(root)}", archive)
        chosen = [path for path in files if path in chosen_names]
        for path in progress.track(chosen, "unpacking faces and photographs", unit="file"):
            (folder / chosen_names[path]).write_bytes(files[path]())
    if _digest(folder / FACES_NAME) != FACES_SHA256:
        raise not_the_source(f"{FACES} holds other faces", archive)
