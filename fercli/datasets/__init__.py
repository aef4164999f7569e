"""Data sets: from what their authors publish to ``ROOT/<split>/<class>/*.png``."""
