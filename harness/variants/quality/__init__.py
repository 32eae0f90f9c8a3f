"""What a classifier is worth beyond top-1."""
