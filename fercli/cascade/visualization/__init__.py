"""Draw a cascade from its file into a folder of images."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2

from fercli.cascade.model import Cascade, read_cascade
from fercli.cascade.samples.vec import read_vec
from fercli.cascade.visualization.feature_sheets import FeatureRenderer, mean_of, write_sheet
from fercli.cascade.visualization.rejection_profile import (
    RejectionProfile,
    measure_profile,
    plot_profile,
)
from fercli.common.drawing import save_plot
from fercli.common.errors import OptionError
from fercli.common.files import make_folder, require_absent
from fercli.common.images import ImageArray, read_gray
from fercli.common.progress import SILENT, Progress

CONTACT_SHEET = "features.png"
PROFILE = "profile.png"


@dataclass(frozen=True)
class Visualization:
    """The images that were drawn.

    Parameters
    ----------
    files : tuple of Path
        The images: a sheet of all stages, a sheet for each stage, the profile.
    profile : RejectionProfile, optional
    """

    files: tuple[Path, ...]
    profile: RejectionProfile | None

    def to_dict(self) -> dict[str, object]:
        """Return the result as JSON-compatible values."""
        return {
            "files": [str(path) for path in self.files],
            "profile": self.profile.to_dict() if self.profile else None,
        }


def visualize_cascade(
    path: Path,
    out: Path,
    *,
    vec: Path | None = None,
    image: Path | None = None,
    scan: Sequence[Path] = (),
    scale_factor: float = 1.1,
    overwrite: bool = False,
    workers: int | None = None,
    progress: Progress = SILENT,
) -> Visualization:
    """Draw the features of a cascade, and its rejection profile, into a folder.

    Parameters
    ----------
    path : Path
        The cascade.
    out : Path
        The folder, made if it is missing.
    vec : Path, optional
        Samples whose mean is drawn under the features.
    image : Path, optional
        An image of the object instead. By default features are drawn on gray.
    scan : sequence of Path
        Images for the rejection profile. Defaults to no profile.
    scale_factor : float
        Scale factor of the detector for the profile. Defaults to 1.1.
    overwrite : bool
    workers : int, optional
    progress : Progress

    Raises
    ------
    OptionError
        Both `vec` and `image` are given, or the scale factor is not above 1.
    CascadeFileError, VecError, ImageError, InputError, OutputError
    """
    if vec is not None and image is not None:
        raise OptionError("`vec` and `image` cannot be used together")
    if not scale_factor > 1:
        raise OptionError(f"`scale_factor` must be above 1, got {scale_factor:g}")
    cascade = read_cascade(path)
    names = [CONTACT_SHEET, *(f"stage_{at:02}.png" for at in range(len(cascade.stages)))]
    files = [out / name for name in [*names, *([PROFILE] if scan else [])]]
    for file in files:
        require_absent(file, overwrite=overwrite)
    renderer = FeatureRenderer(cascade, path.name, _backdrop(cascade, vec, image))
    make_folder(out)
    profile = None
    if scan:
        profile = measure_profile(
            cascade, scan, scale_factor=scale_factor, workers=workers, progress=progress
        )
        save_plot(plot_profile(profile, path.name), out / PROFILE, overwrite=overwrite)
    write_sheet(out / CONTACT_SHEET, renderer.contact_sheet(), overwrite=overwrite)
    for number, name in enumerate(progress.track(names[1:], "Drawing stages", unit="stage")):
        write_sheet(out / name, renderer.stage_sheet(number), overwrite=overwrite)
    return Visualization(tuple(files), profile)


def _backdrop(cascade: Cascade, vec: Path | None, image: Path | None) -> ImageArray | None:
    if vec is not None:
        return mean_of(read_vec(vec, cascade.size_wh))
    if image is not None:
        small = cv2.resize(read_gray(image), cascade.size_wh, interpolation=cv2.INTER_AREA)
        return mean_of(small[None])
    return None
