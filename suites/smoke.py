"""Two scripted models on a scripted clock: the whole pipeline in seconds, with the same numbers on every machine.

To 0.1 %: by so much processes differ, as a clock that repeats itself to the last digit is one that no gate believes. Of
each script's durations three or more are the middle one, so that a median is the same wherever a block begins and ends.
"""

from harness.model.case import Scenario, StopRule, Suite, Variant, WarmUp

SUITE = Suite(
    name="smoke",
    title="Scripted models: a test of the pipeline, not of this machine",
    variants=(
        Variant("steady", "Scripted: 1.0 to 1.1 ms", "demo", precision="scripted", file="smoke/steady.json"),
        Variant("fast", "Scripted: 0.5 ms", "demo", precision="scripted", parent="steady", file="smoke/fast.json"),
    ),
    backends=("null",),
    scenarios=(Scenario(warm_up=WarmUp(tolerance=0.05), stop=StopRule(min_duration_s=1.0)),),
)
