"""Features: what a weak classifier asks about a window."""
