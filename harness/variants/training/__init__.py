"""Training: the loop, what it minimises, what images meet on the way."""
