"""Kills at random moments of a run over SSH: python -m tests.soak [KILLS] [SEED]."""
