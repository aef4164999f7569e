"""ModelSettings of the server: model, camera, token and limits."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from fercli.common.errors import OptionError
from fercli.models.loading import DEFAULT
from fercli.models.model_card import ModelSettings
from fercli.recognition.options import RecognitionOptions

MEGA = 1 << 20

#: The shortest token that is allowed where other machines can connect.
TOKEN_LENGTH = 16


@dataclass(frozen=True)
class Limits:
    """Limits of requests.

    Parameters
    ----------
    image_bytes, images, image_pixels : int
        Bytes of a request with images, images in it, and pixels of each image. Default to
        20 MiB, 16 and 64 million.
    video_bytes, video_pixels : int
        Bytes of a request with a video, and pixels of its frames. Default to 200 MiB and 9 million
        (3840 × 2160 and a little more).
    job_seconds : float
        Most time to process a video. Defaults to 600.
    waiting : int
        Most videos that wait. Defaults to 4.
    kept : int
        Most videos whose results are kept. Defaults to 16.
    kept_seconds : float
        How long results are kept after they were last asked for. Defaults to 1800.
    patience : float
        A video whose progress was not requested for so many seconds is canceled. Defaults to 180:
        a page in the background of a browser asks once a minute.
    watchers : int
        Most viewers of the server's camera; each takes a thread. Defaults to 4.
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
    """ModelSettings of the server.

    Parameters
    ----------
    cascade : Path, optional
        Defaults to the cascade that fer ships.
    model : str
        A shipped model's name or a file. Defaults to the one that fer ships.
    model_settings : ModelSettings
        What the metadata of the model's file lacks.
    recognition : RecognitionOptions
    camera : str
        The number, device or address of the camera that is shown; "" for none. Defaults to "0".
    token : str
        The secret that clients must send; "" for none. Defaults to "".
    limits : Limits
    """

    cascade: Path | None = None
    model: str = DEFAULT
    model_settings: ModelSettings = field(default_factory=ModelSettings)
    recognition: RecognitionOptions = field(default_factory=RecognitionOptions)
    camera: str = "0"
    token: str = ""
    limits: Limits = field(default_factory=Limits)


def is_loopback(host: str) -> bool:
    """Whether a host is the loopback interface of this machine."""
    import ipaddress

    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host.strip("[]")).is_loopback
    except ValueError:
        return False


def require_token(host: str, token: str) -> None:
    """Raise `OptionError` if other machines could connect without a long token."""
    if not is_loopback(host) and len(token) < TOKEN_LENGTH:
        found = "got none" if not token else f"got {len(token)}"
        raise OptionError(
            f"`token` must have at least {TOKEN_LENGTH} characters where other machines can "
            f"connect ({host}), {found}",
            hint="set FER_TOKEN=$(openssl rand -hex 16), or use `host` 127.0.0.1",
        )
