"""The sound of a video on its way into another: as it is where the file takes it, or as AAC."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

#: Kinds of sound that go into a file of each suffix as they are; others become AAC.
KEPT = {
    ".mp4": ("aac", "ac3", "mp3", "opus"),
    ".m4v": ("aac", "ac3"),
    ".mov": ("aac", "ac3", "mp3"),
    ".mkv": ("aac", "ac3", "mp3", "opus"),
}

#: Samples a second that AAC knows (ISO/IEC 14496-3, table 1.18).
AAC_RATES = (
    7350, 8000, 11025, 12000, 16000, 22050, 24000, 32000, 44100, 48000, 64000, 88200, 96000,
)  # fmt: skip

#: How far before the wanted sound its reading begins, in seconds: it may lie before the pictures
#: of its time in the file.
LEAD = 2.0


class Sound:
    """The sound of a video file, written as far as the frames of another are.

    Parameters
    ----------
    path : Path
    start : float
        What is before it is left out, in seconds since `begin`.
    begin : float
        The time of the first picture on the file's clock, in seconds.
    """

    def __init__(self, path: Path, start: float, begin: float) -> None:
        import av

        self._source = av.open(f"file:{path}", metadata_errors="replace")
        known = [one for one in self._source.streams.audio if one.codec_context is not None]
        self._given = known[0] if known else None
        self._begin = begin
        self._start = begin + start
        self._taken: Any = None

    def begin(self, container: Any, suffix: str) -> None:
        """Add the stream of sound to an output container that has the stream of pictures.

        Raises
        ------
        FFmpegError, ValueError
            FFmpeg cannot read the sound, or not write it to a file of this suffix.
        """
        if self._given is None:
            return
        self._container = container
        copied = self._given.codec_context.name in KEPT[suffix]
        if copied:
            self._taken = container.add_stream_from_template(self._given)
        else:
            self._taken = container.add_stream("aac", rate=_aac_rate(self._given.rate))
        if self._start > LEAD:
            self._source.seek(int((self._start - LEAD) * 1_000_000))
        self._packets = self._copied() if copied else self._encoded()
        self._next: Any = next(self._packets, None)

    def write_until(self, seconds: float) -> None:
        """Write the sound up to a time, in seconds since `begin`; errors as `begin`."""
        until = self._begin + seconds
        while self._taken is not None and self._next is not None and self._next[0] <= until:
            self._container.mux(self._next[1])
            self._next = next(self._packets, None)

    def close(self) -> None:
        """Close the source."""
        self._source.close()

    def _copied(self) -> Iterator[tuple[float, Any]]:
        """Yield packets as they are, with their time."""
        for packet in self._demuxed():
            seconds = float(packet.pts * packet.time_base)
            if seconds < self._start:
                continue
            shift = round(self._start / packet.time_base)
            packet.pts -= shift
            packet.dts = packet.pts
            packet.stream = self._taken
            yield seconds, packet

    def _encoded(self) -> Iterator[tuple[float, Any]]:
        """Yield packets encoded anew, with their time."""
        import av

        seconds = self._start
        for packet in self._demuxed():
            frames: list[Any] = []
            with suppress(av.error.InvalidDataError):
                frames = packet.decode()
            for frame in frames:
                if frame.time is None or frame.time < self._start:
                    continue
                seconds = frame.time
                frame.pts -= round(self._start / frame.time_base)
                yield from ((seconds, one) for one in self._taken.encode(frame))
        yield from ((seconds, one) for one in self._taken.encode(None))

    def _demuxed(self) -> Iterator[Any]:
        import av

        with suppress(av.error.FFmpegError):  # a damaged end: the sound ends there
            yield from (one for one in self._source.demux(self._given) if one.pts is not None)


def _aac_rate(rate: int) -> int:
    """Return the least of AAC's rates that keeps all of a sound, or the greatest."""
    return next((known for known in AAC_RATES if known >= rate), AAC_RATES[-1])
