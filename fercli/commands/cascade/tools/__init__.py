"""``fer cascade tools``: OpenCV 3.4's own training programs, found or built."""

import click

from fercli.cli import LazyGroup


@click.group(
    cls=LazyGroup,
    package="fercli.commands.cascade.tools",
    names=["status", "install"],
)
def tools() -> None:
    """Find or build OpenCV's own training programs.

    opencv_createsamples and opencv_traincascade, which OpenCV stopped building in 4.0. Only
    `--engine opencv` needs them; everything else works without. To build them takes a C++
    compiler, on Windows and macOS as well.

    \b
    They are looked for in this order:
      1. the folder that --tools names, and there alone
      2. the folder that the variable FER_OPENCV_TOOLS names, and there alone
      3. the folders of PATH
      4. ~/.cache/fer/opencv-tools (or below XDG_CACHE_HOME), where `install` puts them
    """
