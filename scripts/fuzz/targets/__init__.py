"""All readers under test, by name."""

from __future__ import annotations

from scripts.fuzz.targets import boxes, cascades, datasets, labeling, media, models, options, web

READERS = {
    reader.name: reader
    for module in (boxes, labeling, cascades, datasets, models, options, media, web)
    for reader in module.READERS
}
