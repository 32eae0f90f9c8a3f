"""The gate's reasoning: from launches to effects, bounds, verdicts and the wish for more launches. Measures nothing."""
