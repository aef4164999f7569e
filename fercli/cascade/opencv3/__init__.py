"""OpenCV's own training programs, which OpenCV stopped building in 4.0: found, built and run."""
