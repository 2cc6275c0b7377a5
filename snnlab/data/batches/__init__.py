"""Sets that are cut into batches: dense, spikes, features, and files."""
