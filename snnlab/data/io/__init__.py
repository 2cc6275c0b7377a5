"""File formats: events, npz, images, video and wav, and the conversion of many files."""
