"""From stored trials to summaries, findings and verdicts: pure functions that never write back."""
