"""Sources: images, videos, cameras and streams as frames."""
