"""Networks: from a tree of labelled faces to a trained, measured, exported network."""
