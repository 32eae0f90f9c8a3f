"""`smoke` with a steady model that takes 5 % longer: the gate that passes `smoke` must find it (nox -s gate)."""

from harness.model.case import Scenario, StopRule, Suite, Variant, WarmUp

SUITE = Suite(
    name="smoke",
    title="Scripted models, one of them slower",
    variants=(Variant("steady", "Scripted: 1.05 to 1.16 ms", "demo", precision="scripted", file="slower/steady.json"),),
    backends=("null",),
    scenarios=(Scenario(warm_up=WarmUp(tolerance=0.05), stop=StopRule(min_duration_s=1.0)),),
)
