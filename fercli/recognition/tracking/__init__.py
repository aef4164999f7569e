"""Tracking: the same person from frame to frame."""
