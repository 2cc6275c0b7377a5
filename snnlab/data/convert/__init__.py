"""Conversion of the user's own files: audio, images and recordings of events."""
