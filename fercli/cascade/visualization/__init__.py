"""Images of a cascade: its features over the object, and how it rejects windows."""
