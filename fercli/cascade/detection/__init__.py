"""Detection: a cascade run over images, its windows grouped into boxes."""
