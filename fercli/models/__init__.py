"""Models: from a tree of labeled faces to a trained, measured, exported model."""
