"""Recognition: faces and their expressions in images, video, cameras and streams."""
