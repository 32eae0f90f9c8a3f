"""Networks by name, and their weights on disk."""
