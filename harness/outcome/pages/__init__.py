"""What a comparison, a gate and a history came to as pages: sections of blocks, drawn by harness.report.html.

Here and not in harness.report, as they say what the other outputs of a verb say, in the same words and order.
"""
