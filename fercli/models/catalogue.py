"""Which networks come with fer and which architectures it trains."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from fercli.common.tables import format_table
from fercli.models.architectures import ARCHITECTURES
from fercli.models.loading import shipped_networks
from fercli.models.onnx_model import Classifier


def architectures_table() -> str:
    """Return the architectures as a table."""
    rows = [
        (one.name, f"{one.parameters:,}", f"{one.size_wh[0]}x{one.size_wh[1]}",
         "grey" if one.channels == 1 else "colour", one.classes, one.source)
        for one in ARCHITECTURES.values()
    ]  # fmt: skip
    headers = ("architecture", "parameters", "size", "input", "classes", "source")
    return format_table(headers, rows)


def networks_table() -> str:
    """Return the shipped networks as a table."""
    networks = as_plain()["networks"]
    if not networks:
        return "no networks are shipped"
    rows = [
        (one["name"], f"{one['bytes'] / 1e6:.1f} MB", one["size"], " ".join(one["classes"]))
        for one in networks
    ]
    return format_table(("network", "file", "size", "classes"), rows)


def as_plain() -> dict[str, Any]:
    """Return networks and architectures as plain values, for JSON."""
    networks = []
    for name, path in shipped_networks().items():
        card = Classifier(path).card
        about = {
            "name": name,
            "path": str(path),
            "bytes": path.stat().st_size,
            "size": f"{card.size_wh[0]}x{card.size_wh[1]}",
            "classes": list(card.classes),
            "training": dict(card.training),
        }
        networks.append(about)
    architectures = []
    for one in ARCHITECTURES.values():
        about = asdict(one)
        del about["define"]
        architectures.append(about)
    return {"networks": networks, "architectures": architectures}
