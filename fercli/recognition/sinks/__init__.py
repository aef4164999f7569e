"""Sinks: annotated copies, tables, timelines and windows."""
