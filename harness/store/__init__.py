"""The append-only store of runs and trials: written atomically, never rewritten, readable by every later version."""
