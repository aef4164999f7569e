"""What a server runs with: its networks, its camera, its token and its limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fercli.common.errors import OptionError
from fercli.models.loading import DEFAULT
from fercli.models.model_card import ModelSettings
from fercli.recognition.options import RecognitionOptions

MEGA = 1 << 20

#: The shortest token that is allowed beyond this machine: 16 letters cannot be guessed.
TOKEN_LENGTH = 16


@dataclass(frozen=True)
class Limits:
    """What a client may ask for.

    Parameters
    ----------
    image_bytes, images, image_pixels : int
        Size of a request with images, images in it, and pixels of each image. Default to
        20 MiB, 16 and 64 million.
    video_bytes, video_pixels : int
        Size of a request with a video, and pixels of its frames. Default to 200 MiB and 9 million
        (3840 × 2160 and a little more).
    job_seconds : float
        How long the work on a video may take. Defaults to 600.
    waiting : int
        Videos that wait for their turn. Defaults to 4.
    kept : int
        Videos whose results are kept. Defaults to 16.
    kept_seconds : float
        How long results are kept after they were last asked for. Defaults to 1800.
    patience : float
        A video that nobody has asked after for so many seconds is given up. Defaults to 180: a
        browser lets a page that is not in front ask once a minute.
    watchers : int
        Views of the server's camera at once; each takes a thread. Defaults to 4.
    """

    image_bytes: int = 20 * MEGA
    images: int = 16
    image_pixels: int = 64_000_000
    video_bytes: int = 200 * MEGA
    video_pixels: int = 9_000_000
    job_seconds: float = 600.0
    waiting: int = 4
    kept: int = 16
    kept_seconds: float = 1800.0
    patience: float = 180.0
    watchers: int = 4


@dataclass(frozen=True)
class ServerSettings:
    """What a server runs with.

    Parameters
    ----------
    cascade : Path, optional
        Defaults to the cascade that fer ships.
    network : str
        A shipped network's name or a file. Defaults to the one that fer ships.
    said : ModelSettings
        What an ``.onnx`` file of others does not say.
    recognition : RecognitionOptions
    camera : str
        The number, device or address of the camera that is shown; "" for none. Defaults to "0".
    token : str
        What clients must know; "" for nothing. Defaults to "".
    limits : Limits
    """

    cascade: Path | None = None
    network: str = DEFAULT
    said: ModelSettings = field(default_factory=ModelSettings)
    recognition: RecognitionOptions = field(default_factory=RecognitionOptions)
    camera: str = "0"
    token: str = ""
    limits: Limits = field(default_factory=Limits)


def is_loopback(host: str) -> bool:
    """Whether a host is this machine alone."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def require_token(host: str, token: str) -> None:
    """Raise `OptionError` if other machines could come in without a token worth the name."""
    if not is_loopback(host) and len(token) < TOKEN_LENGTH:
        found = "none" if not token else f"one of {len(token)}"
        raise OptionError(
            f"wanted a token of at least {TOKEN_LENGTH} letters to serve {host}, where other "
            f"machines can come in; found {found}",
            hint="FER_TOKEN=$(openssl rand -hex 16) in the environment, or --host 127.0.0.1",
        )
