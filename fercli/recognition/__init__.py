"""Recognition: faces and their expressions in pictures, video, cameras and streams."""
