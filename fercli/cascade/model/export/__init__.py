"""Cascades for programs and devices other than OpenCV: one file a format."""

from __future__ import annotations

import re


def identifier(text: str) -> str:
    """Return a text as a name that C and XML allow."""
    cleaned = re.sub(r"[^A-Za-z0-9_]", "_", text)
    return cleaned if re.match(r"[A-Za-z]", cleaned) else f"cascade_{cleaned}"
