"""Frozen values and their JSON form. Standard library only; no I/O beyond text in, text out."""
