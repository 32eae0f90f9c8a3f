"""The gate's pipeline: what is compared with what, by which design, measured or read, to the one result."""
