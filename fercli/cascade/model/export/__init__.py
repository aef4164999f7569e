"""Cascades for programs and devices other than OpenCV: one file a format."""
