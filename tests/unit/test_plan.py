"""Suite x device to cases, skips and an order, without a disk or a board."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

import pytest

from harness.errors import UnknownName, UsageError
from harness.model.case import Case, Scenario, Settings, Skip, StopRule, Suite, TensorSpec, Variant
from harness.model.device import Runtime
from harness.plan import Choice, Instrument, Resolved, make_plan, wanted_forms, without_backends
from tests.support.host_side import DEVICE, facts

SUITE = Suite(
    name="mine",
    title="Mine",
    variants=tuple(Variant(name, name, "demo") for name in ("large", "small", "tiny")),
    backends=("null", "onnxruntime"),
    scenarios=(Scenario(), Scenario(label="single-stream-b4")),
    launches=5,
)
BOARD = replace(DEVICE, backends=("null", "onnxruntime"))
INPUTS = (TensorSpec("image", "float32", (1, 3, 8, 8)),)
RESOLVED = {name: Resolved(facts(variant=name, sha256=name * 8), INPUTS) for name in ("large", "small", "tiny")}
INSTRUMENT = Instrument("0.1", "a" * 64)


def planned(suite=SUITE, device=BOARD, artifacts=RESOLVED, instrument=INSTRUMENT, **choice):
    return make_plan(suite, device, artifacts, Choice(**choice), instrument)


def test_every_cell_is_a_case() -> None:
    plan = planned()
    cells = [(case.variant, case.backend, case.scenario.name) for case in plan.cases]
    assert len(cells) == len(set(cells)) == 3 * 2 * 2
    first = plan.cases[0]
    assert (first.suite, first.device, first.artifact_sha256) == ("mine", "bench", "large" * 8)
    assert (first.inputs, first.settings) == (INPUTS, DEVICE.settings)
    assert {case.id for case in plan.cases} == set(plan.artifacts)
    assert plan.skips == ()


def test_every_round_holds_each_case_once_and_no_two_rounds_need_be_alike() -> None:
    plan = planned()
    timed = [trial for trial in plan.trials if trial.mode == "performance"]
    rounds = [timed[start : start + 12] for start in range(0, len(timed), 12)]
    assert len(rounds) == 5
    for number, one in enumerate(rounds):
        assert {trial.case_id for trial in one} == {case.id for case in plan.cases}
        assert {trial.launch for trial in one} == {number}
    assert len({tuple(trial.case_id for trial in one) for one in rounds}) > 1


def test_the_order_is_the_seeds() -> None:
    assert planned(seed=3).trials == planned(seed=3).trials
    assert planned(seed=3).trials != planned(seed=4).trials
    assert Counter(planned(seed=3).trials) == Counter(planned(seed=4).trials)


def test_the_order_of_a_seed_never_changes() -> None:
    """An interrupted run is resumed by it."""
    plan = planned(suite=replace(SUITE, backends=("null",), scenarios=(Scenario(),), launches=2))
    names = [plan.case(trial.case_id).variant for trial in plan.trials]
    assert names == ["small", "tiny", "large", "small", "tiny", "large", "tiny"]


def test_the_sensors_cost_is_measured_once_after_the_rounds() -> None:
    modes = [trial.mode for trial in planned().trials]
    assert modes == ["performance"] * 60 + ["observer"]


def test_quick_is_three_short_launches_without_the_observer() -> None:
    plan = planned(quick=True)
    assert Counter(trial.mode for trial in plan.trials) == {"performance": 36}
    assert {case.scenario.stop for case in plan.cases} == {StopRule(64, 0.3, 10.0)}
    assert {case.id for case in plan.cases}.isdisjoint(case.id for case in planned().cases)


def test_a_budget_replaces_the_scenarios_own_and_nothing_else() -> None:
    plan = planned(budget_s=2.5)
    assert {case.scenario.stop for case in plan.cases} == {StopRule(64, 1.0, 2.5)}
    assert {case.scenario.stop for case in planned(budget_s=2.5, quick=True).cases} == {StopRule(64, 0.3, 2.5)}
    assert plan.id != planned().id


def test_a_sustained_run_lasts_as_asked_under_a_name_of_its_own_and_the_budget_follows() -> None:
    plan = planned(sustain_s=600.0)
    assert {case.scenario.name for case in plan.cases} == {"sustained", "single-stream-b4-sustained"}
    assert {case.scenario.stop for case in plan.cases} == {StopRule(64, 600.0, 660.0)}
    assert {case.id for case in plan.cases}.isdisjoint(case.id for case in planned().cases)
    chosen = planned(sustain_s=600.0, scenarios=("single-stream",))
    assert {case.scenario.name for case in chosen.cases} == {"sustained"}


def test_accuracy_is_evaluated_last_and_once_per_artifact_and_backend() -> None:
    plan = planned(accuracy=True)
    last = plan.trials[-6:]
    assert [trial.mode for trial in plan.trials].index("accuracy") == 61
    assert {trial.mode for trial in last} == {"accuracy"}
    cells = [(plan.case(trial.case_id).variant, plan.case(trial.case_id).backend) for trial in last]
    assert len(set(cells)) == 6
    assert not [trial for trial in planned().trials if trial.mode == "accuracy"]


def test_what_is_not_built_is_skipped_with_the_command_that_builds_it() -> None:
    reason = "its artifact is not built; build it with: harness build mine --variant small"
    plan = planned(artifacts={**RESOLVED, "small": reason})
    assert {case.variant for case in plan.cases} == {"large", "tiny"}
    assert [(skip.variant, skip.backend, skip.scenario) for skip in plan.skips] == [
        ("small", backend, scenario)
        for backend in ("null", "onnxruntime")
        for scenario in ("single-stream", "single-stream-b4")
    ]
    assert {skip.reason for skip in plan.skips} == {reason}


def test_a_backend_that_the_device_does_not_list_is_skipped() -> None:
    plan = planned(device=DEVICE, variants=("tiny",), scenarios=("single-stream",))
    assert [case.backend for case in plan.cases] == ["null"]
    (skip,) = plan.skips
    assert (skip.backend, skip.reason) == ("onnxruntime", "bench has no backend onnxruntime (it has: null)")


def test_a_backend_that_the_board_turns_out_to_lack_is_taken_out() -> None:
    whole = planned()
    less = without_backends(whole, {"onnxruntime": "No module named 'onnxruntime'; pip install onnxruntime"})
    assert {case.backend for case in less.cases} == {"null"}
    assert {less.case(trial.case_id).backend for trial in less.trials} == {"null"}
    assert len(less.skips) == 6
    assert {skip.reason for skip in less.skips} == {"No module named 'onnxruntime'; pip install onnxruntime"}
    assert less.id != whole.id
    assert without_backends(whole, {}) == whole


def test_nothing_left_is_an_empty_plan() -> None:
    plan = planned(artifacts=dict.fromkeys(RESOLVED, "not built"), accuracy=True)
    assert (plan.cases, plan.trials) == ((), ())
    assert len(plan.skips) == 12


def test_chosen_names_narrow_the_plan_in_the_suites_order() -> None:
    plan = planned(variants=("tiny", "large"), scenarios=("single-stream-b4",))
    assert [case.variant for case in plan.cases] == ["large", "large", "tiny", "tiny"]
    assert {case.scenario.name for case in plan.cases} == {"single-stream-b4"}


@pytest.mark.parametrize(
    ("choice", "said"),
    [
        ({"variants": ("smal",)}, r"no variant is called 'smal'; did you mean small\? Known: large, small, tiny"),
        ({"scenarios": ("single-steam-b4",)}, r"no scenario is called 'single-steam-b4'; did you mean single-stream"),
        ({"scenarios": ("offline",)}, r"no scenario is called 'offline'; known: single-stream, single-stream-b4"),
    ],
)
def test_an_unknown_choice_says_the_nearest(choice: dict[str, tuple[str, ...]], said: str) -> None:
    with pytest.raises(UnknownName, match=said):
        planned(**choice)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"variants": (*SUITE.variants, SUITE.variants[0])}, "suite mine has the variant 'large' twice"),
        ({"scenarios": (Scenario(), Scenario(stop=StopRule(8)))}, "suite mine has the scenario 'single-stream' twice"),
    ],
)
def test_a_name_given_twice_is_refused(changes, said: str) -> None:
    with pytest.raises(UsageError, match=said):
        planned(replace(SUITE, **changes))


# A board with everything, and a suite that leaves the choice to it.
ALL = (
    *("tensorrt", "tensorrt-fp16", "tensorrt-int8", "onnxruntime", "onnxruntime-cuda", "onnxruntime-tensorrt"),
    *("torch", "torch-compiled", "torch-cuda-graph", "null"),
)
JETSON = replace(DEVICE, name="jetson", backends=ALL)
OPEN = replace(SUITE, variants=SUITE.variants[:1], backends=(), scenarios=(Scenario(),))
FORMS = {form: facts(variant="large", sha256=f"{form} of large") for form in ("onnx-plain", "onnx-tensorrt", "pt2")}


def of(precision: str = "fp32", device=JETSON, suite=OPEN, **choice) -> dict[str, Case | str]:
    """By backend: the case of one variant in that precision, or why there is none."""
    forms = {form: replace(known, precision=precision) for form, known in FORMS.items()}
    resolved = Resolved(replace(RESOLVED["large"].facts, precision=precision), INPUTS, forms)
    plan = planned(suite, device, {"large": resolved}, **choice)
    cells: list[Case | Skip] = [*plan.cases, *plan.skips]
    return {one.backend: one if isinstance(one, Case) else one.reason for one in cells}


def test_a_suite_that_names_no_backend_has_the_devices_own_but_the_scripted_one() -> None:
    assert set(of()) == {name for name in ALL if name != "null"}
    assert set(of(device=BOARD)) == {"onnxruntime"}
    assert of(device=replace(DEVICE, backends=("null",))) == {}


def test_chosen_backends_narrow_the_suites_or_the_devices() -> None:
    assert set(of(backends=("torch", "tensorrt"))) == {"torch", "tensorrt"}
    assert {case.backend for case in planned(backends=("null",)).cases} == {"null"}


@pytest.mark.parametrize(
    ("suite", "device", "said"),
    [
        (OPEN, JETSON, "no backend is called 'tensorrt-fp61'; did you mean tensorrt-fp16"),
        (OPEN, BOARD, "no backend is called 'tensorrt-fp61'; known: onnxruntime"),
        (SUITE, JETSON, "no backend is called 'tensorrt-fp61'; known: null, onnxruntime"),
    ],
)
def test_a_chosen_backend_that_is_not_there_is_an_error(suite, device, said: str) -> None:
    with pytest.raises(UnknownName, match=said):
        planned(suite, device, backends=("tensorrt-fp61",))


def test_a_backend_that_makes_another_precision_says_so_in_its_case() -> None:
    found = {backend: case.precision for backend, case in of().items() if isinstance(case, Case)}
    assert found.pop("tensorrt-fp16") == "fp16"
    assert set(found.values()) == {"fp32"}
    assert set(found) == {name for name in ALL if name not in ("null", "tensorrt-fp16", "tensorrt-int8")}


@pytest.mark.parametrize(
    ("precision", "backend", "said"),
    [
        (
            "fp32",
            "tensorrt-int8",
            "int8 of an fp32 file needs samples: name a .npz on the board in the suite's options",
        ),
        ("fp16", "tensorrt-fp16", "its file is fp16 already; tensorrt runs it as it is"),
        ("int8", "tensorrt-int8", "its file is int8 already; tensorrt runs it as it is"),
        ("int8", "tensorrt-fp16", "tensorrt-fp16 makes fp16 of an fp32 file, and this one is int8; tensorrt runs it"),
        ("fp16", "tensorrt-int8", "tensorrt-int8 makes int8 of an fp32 file, and this one is fp16; tensorrt runs it"),
    ],
)
def test_a_pair_that_cannot_be_is_skipped_with_its_reason(precision: str, backend: str, said: str) -> None:
    found = of(precision)
    assert isinstance(found[backend], str)
    assert found[backend].startswith(said)
    if precision != "fp32":
        assert found["tensorrt"].precision == precision


def test_int8_by_calibration_is_asked_for_in_the_suites_options() -> None:
    suite = replace(OPEN, options={"tensorrt-int8": {"calibration": "/data/samples.npz"}})
    case = of(suite=suite)["tensorrt-int8"]
    assert (case.precision, case.options["calibration"]) == ("int8", "/data/samples.npz")
    assert "calibration" not in of(suite=suite)["tensorrt"].options


def test_options_hold_what_a_backend_needs_beforehand() -> None:
    found = of()
    assert found["onnxruntime"].options == {}
    assert found["tensorrt"].options == {"shapes": {"image": [1, 3, 8, 8]}}
    assert found["onnxruntime-cuda"].options == {"providers": ["CUDAExecutionProvider", "CPUExecutionProvider"]}
    providers = ["TensorrtExecutionProvider", "CUDAExecutionProvider", "CPUExecutionProvider"]
    assert found["onnxruntime-tensorrt"].options == {"providers": providers}
    assert of("int8")["onnxruntime-tensorrt"].options == {"providers": providers, "int8": True}


def test_fp16_of_the_tensorrt_provider_is_an_option_and_a_precision() -> None:
    found = of(suite=replace(OPEN, options={"onnxruntime-tensorrt": {"fp16": True}}))["onnxruntime-tensorrt"]
    assert (found.precision, found.options["fp16"]) == ("fp16", True)


def test_each_backend_gets_its_own_file() -> None:
    found = {backend: case.artifact_sha256 for backend, case in of().items() if isinstance(case, Case)}
    assert {found[name] for name in ("onnxruntime", "onnxruntime-cuda", "onnxruntime-tensorrt")} == {"large" * 8}
    assert {found[name] for name in ("tensorrt", "tensorrt-fp16")} == {"onnx-tensorrt of large"}
    assert {found[name] for name in ("torch", "torch-compiled", "torch-cuda-graph")} == {"pt2 of large"}


def test_the_facts_of_a_case_are_those_of_its_file() -> None:
    resolved = replace(RESOLVED["large"], forms=FORMS)
    plan = planned(OPEN, JETSON, {"large": resolved})
    assert {case.artifact_sha256 == plan.artifacts[case.id].sha256 for case in plan.cases} == {True}


def test_a_form_that_is_not_there_is_skipped_with_its_reason() -> None:
    resolved = replace(RESOLVED["large"], forms={"pt2": "it has no torch program; make one with: harness build"})
    skips = {skip.backend: skip.reason for skip in planned(OPEN, JETSON, {"large": resolved}).skips}
    assert skips["torch"] == "it has no torch program; make one with: harness build"
    assert skips["tensorrt"] == "no file in the form onnx-tensorrt was asked for"


OLD = replace(
    JETSON, runtimes={"onnxruntime": Runtime("1.10.0"), "onnxruntime-gpu": Runtime("1.11"), "torch": Runtime("1.10")}
)


def test_a_board_with_old_runtimes_gets_files_that_they_read() -> None:
    assert wanted_forms(OPEN, JETSON, Choice()) == {"onnx-tensorrt", "pt2"}
    assert wanted_forms(OPEN, OLD, Choice()) == {"onnx-plain", "onnx-tensorrt", "torchscript"}
    assert wanted_forms(OPEN, OLD, Choice(backends=("onnxruntime",))) == {"onnx-plain"}
    assert wanted_forms(OPEN, DEVICE, Choice()) == frozenset()
    found = of(device=OLD)
    assert {found[name].artifact_sha256 for name in ("onnxruntime", "onnxruntime-cuda")} == {"onnx-plain of large"}
    assert found["torch-compiled"] == (
        "torch-compiled takes an exported program, which torch reads from 2.8 on; jetson may have an older one"
    )


@pytest.mark.parametrize(
    ("runtimes", "form"),
    [
        ({"torch": "2.8"}, "pt2"),
        ({"torch": "2.10.1"}, "pt2"),
        ({"torch": "2.7.1"}, "torchscript"),
        ({"python": "3.8"}, "torchscript"),
        ({"python": "3.10"}, "pt2"),
        ({"python": "3.8", "torch": "2.9"}, "pt2"),  # what is said of torch itself counts
        ({}, "pt2"),
    ],
)
def test_which_program_a_board_gets_is_a_matter_of_its_oldest_torch(runtimes: dict[str, str], form: str) -> None:
    board = replace(JETSON, runtimes={name: Runtime(oldest) for name, oldest in runtimes.items()})
    assert wanted_forms(OPEN, board, Choice(backends=("torch",))) == {form}


@pytest.mark.parametrize(
    ("runtimes", "cpu", "gpu"),
    [
        ({"onnxruntime": "1.12"}, "onnx", "onnx"),
        ({"onnxruntime": "1.11.4"}, "plain", "plain"),
        ({"onnxruntime": "1.20", "onnxruntime-gpu": "1.11"}, "onnx", "plain"),
        ({"onnxruntime": "1.10", "onnxruntime-gpu": "1.16"}, "plain", "onnx"),
    ],
)
def test_each_wheel_of_onnxruntime_has_its_own_age(runtimes: dict[str, str], cpu: str, gpu: str) -> None:
    board = replace(JETSON, runtimes={name: Runtime(oldest) for name, oldest in runtimes.items()})
    for backend, form in (("onnxruntime", cpu), ("onnxruntime-cuda", gpu)):
        expected = {"plain": {"onnx-plain"}, "onnx": set()}[form]
        assert wanted_forms(OPEN, board, Choice(backends=(backend,))) == expected


def test_the_suites_settings_go_before_the_devices() -> None:
    plan = planned(replace(SUITE, settings=Settings(threads=4)), replace(BOARD, settings=Settings(threads=2)))
    assert {case.settings.threads for case in plan.cases} == {4}


def test_the_plans_id_is_equal_for_equal_and_new_for_anything_that_changes_a_measurement() -> None:
    other_inputs = Resolved(facts(variant="tiny", sha256="tiny" * 8), (replace(INPUTS[0], shape=(2, 3, 8, 8)),))
    other_artifact = Resolved(facts(variant="tiny", sha256="x" * 64), INPUTS)
    plans = [
        planned(),
        planned(seed=1),
        planned(quick=True),
        planned(accuracy=True),
        planned(variants=("tiny",)),
        planned(replace(SUITE, launches=6)),
        planned(replace(SUITE, name="other")),
        planned(device=replace(BOARD, name="other")),
        planned(device=replace(BOARD, settings=Settings(affinity="none"))),
        planned(artifacts={**RESOLVED, "tiny": other_artifact}),
        planned(artifacts={**RESOLVED, "tiny": other_inputs}),
        planned(artifacts={**RESOLVED, "tiny": "not built"}),
        planned(instrument=replace(INSTRUMENT, agent_sha256="b" * 64)),
        planned(instrument=replace(INSTRUMENT, harness_version="0.2")),
        planned(device=replace(BOARD, title="Another board")),
        replace(planned(), board_id="b" * 16),
        replace(planned(), board_id="c" * 16),
    ]
    assert len({plan.id for plan in plans}) == len(plans)
    assert planned().id == planned().id
