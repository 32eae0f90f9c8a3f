"""A TensorRT engine from an ONNX file, in a process of its own. Owns precision, shapes and the parser's messages.

What a version can do is asked of its attributes, never of its number. Up to 10 an engine's precision is allowed by
flags; from 11 on it is the file's, and there is no flag.

The builder takes a gigabyte and may crash: in a process of its own neither reaches the measured one.
"""

import importlib
import os
import time

from . import apart, cuda, engine_cache

# Raised where the same key would give another engine.
REVISION = 1
# Up to 8.3 the default is too small for many kernels; from 8.4 on all of the device's memory may be used.
WORKSPACE_BYTES = 1 << 28
# of ILogger.Severity: 0 internal error, 1 error
WORST = 1
NO_FLAGS = (
    "TensorRT {version} takes an engine's precision from the file alone (it has no {flag} flag): give it a file in "
    "{name} and ask for the backend tensorrt: {file}"
)
FILES = {
    "fp16": "an ONNX whose weights and tensors are float16 (the recipe step Narrow)",
    "int8": "an ONNX with quantizers (QDQ; the recipe step QuantizeStatic with profile trt)",
}


class BuildFailed(RuntimeError):
    """No engine came out; the text says why, in the parser's and the builder's own words."""

    told = True  # to a reader, as it is


def messages(trt):
    """A logger for TensorRT that keeps what is worse than a warning, as texts in its attribute `errors`."""

    class Messages(trt.ILogger):
        def __init__(self):
            trt.ILogger.__init__(self)
            self.errors = []

        def log(self, severity, msg):
            if int(severity) <= WORST:
                self.errors.append(str(msg))

    return Messages()


def strongly_typed(trt):
    """Whether this version takes precision from the file alone."""
    return not hasattr(trt.BuilderFlag, "FP16")


def why_not(trt, precision):
    """Why this version cannot be asked for `precision` (empty: the file's own), with what to do; None where it can."""
    if not precision or not strongly_typed(trt):
        return None
    flag = precision.upper()
    return NO_FLAGS.format(version=trt.__version__, flag=flag, name=precision, file=FILES[precision])


def build(trt, artifact, options, runtime):
    """The serialized engine of the ONNX file `artifact`, and facts of its building.

    options: precision ("fp16", "int8"; empty: as the file says), shapes (by input; a free first dimension is 1 where
    they name it not), calibration (.npz of samples by input, for int8 of a file without quantizers), workspace_bytes.
    `runtime`: a function that gives the CUDA runtime, asked only for a calibration. BuildFailed, ValueError.
    """
    precision = options.get("precision")
    reason = why_not(trt, precision)
    if reason is not None:
        raise BuildFailed(reason)
    logger = messages(trt)
    trt.init_libnvinfer_plugins(logger, "")
    builder = trt.Builder(logger)
    network = builder.create_network(_network_flags(trt))
    parse(trt, network, logger, artifact)
    config = builder.create_builder_config()
    shapes = input_shapes(network, options.get("shapes") or {})
    profile = _optimization_profile(builder, config, shapes)
    facts = {
        "allowed": _allow(trt, builder, network, config, precision, options),
        "tf32": False,
        "shapes": shapes,
    }
    if hasattr(trt.BuilderFlag, "TF32"):
        # On by default. Versions without the flag have no such kernels.
        config.clear_flag(trt.BuilderFlag.TF32)
    _limit_workspace(trt, config, options.get("workspace_bytes"))
    if hasattr(getattr(trt, "ProfilingVerbosity", None), "DETAILED"):  # 8.2 named it so
        # Names and types of layers in the engine; kernels are the same.
        config.profiling_verbosity = trt.ProfilingVerbosity.DETAILED
    calibrator = _calibrator(trt, config, profile, network, (precision, shapes, options, runtime))
    try:
        plan = builder.build_serialized_network(network, config)
    finally:
        if calibrator is not None:
            calibrator.close()
    if plan is None:
        raise BuildFailed("TensorRT {} built no engine: {}".format(trt.__version__, _told(logger)))
    return bytes(plan), facts


def _network_flags(trt):
    flags = trt.NetworkDefinitionCreationFlag
    return 1 << int(flags.EXPLICIT_BATCH) if hasattr(flags, "EXPLICIT_BATCH") else 0


def parse(trt, network, logger, artifact):
    """Read the file into the network. BuildFailed with each node that the parser refused."""
    if not os.path.exists(artifact):
        raise BuildFailed("{} is absent; send it again".format(artifact))
    parser = trt.OnnxParser(network, logger)
    if parser.parse_from_file(artifact):
        return
    errors = [_parser_error(parser.get_error(number)) for number in range(parser.num_errors)]
    raise BuildFailed(
        "TensorRT {} cannot read {}: {}".format(
            trt.__version__, os.path.basename(artifact), "; ".join(errors) or _told(logger)
        )
    )


def _parser_error(error):
    if hasattr(error, "node_operator"):
        where = "{} {!r}".format(error.node_operator() or "node", error.node_name())
    else:
        where = "node {}".format(error.node())
    return "{}: {}".format(where, error.desc())


def _told(logger):
    return "; ".join(logger.errors[-5:]) or "it gave no reason"


def input_shapes(network, asked):
    """Shapes of all inputs by name, as lists. ValueError where one is free that nobody gave."""
    found = {}
    for number in range(network.num_inputs):
        tensor = network.get_input(number)
        own = list(tensor.shape)
        shape = list(
            asked.get(tensor.name) or [1 if size < 0 and place == 0 else size for place, size in enumerate(own)]
        )
        if len(shape) != len(own) or any(size < 1 for size in shape):
            raise ValueError(
                "input {} has the shape {} in the file, and {} was given; give one number for each free dimension "
                "(--shape)".format(tensor.name, own, asked.get(tensor.name))
            )
        found[tensor.name] = shape
    return found


def _optimization_profile(builder, config, shapes):
    """One profile of exactly these shapes: engines for a range of them are slower."""
    profile = builder.create_optimization_profile()
    for name, shape in sorted(shapes.items()):
        profile.set_shape(name, tuple(shape), tuple(shape), tuple(shape))
    config.add_optimization_profile(profile)
    return profile


def _allow(trt, builder, network, config, precision, options):
    """Set the flags that the file or the caller asks for; returns them in words."""
    if strongly_typed(trt):
        return ["as the file says"]
    quantized, halves = _has_quantizers(trt, network), _has_halves(trt, network)
    if precision == "int8" and not quantized and not options.get("calibration"):
        raise BuildFailed(
            "int8 of a file without quantizers needs ranges: give {}, or the option calibration, a .npz of samples by "
            "input on the board".format(FILES["int8"])
        )
    wanted = []
    if precision == "fp16" or halves:
        wanted.append("fp16")
    if precision == "int8" or quantized:
        wanted.append("int8")
    for name in wanted:
        # No such hardware: it would run in floats, under a false name. A Nano has no int8, a TX1 neither.
        if not getattr(builder, "platform_has_fast_{}".format(name)):
            raise BuildFailed("this GPU has no {} units; measure another precision on it".format(name))
        config.set_flag(getattr(trt.BuilderFlag, name.upper()))
    return wanted or ["fp32"]


def _layers(network):
    return (network.get_layer(number) for number in range(network.num_layers))


def _has_quantizers(trt, network):
    kinds = (trt.LayerType.QUANTIZE, trt.LayerType.DEQUANTIZE)
    return any(layer.type in kinds for layer in _layers(network))


def _has_halves(trt, network):
    half = trt.DataType.HALF
    return any(
        layer.get_output(number).dtype == half for layer in _layers(network) for number in range(layer.num_outputs)
    )


def _limit_workspace(trt, config, asked_bytes):
    if hasattr(config, "set_memory_pool_limit"):
        if asked_bytes is not None:
            config.set_memory_pool_limit(trt.MemoryPoolType.WORKSPACE, asked_bytes)
    else:
        config.max_workspace_size = WORKSPACE_BYTES if asked_bytes is None else asked_bytes


def _calibrator(trt, config, profile, network, asked):
    """The entropy calibrator over given samples, entered in the config; None where none is needed."""
    precision, shapes, options, runtime = asked
    if precision != "int8" or not options.get("calibration") or _has_quantizers(trt, network):
        return None
    from . import trt_calibration

    made = trt_calibration.calibrator(trt, runtime(), options["calibration"], shapes)
    config.int8_calibrator = made
    config.set_calibration_profile(profile)
    return made


def in_child(artifact, options, path, key):
    """Build in a process of its own and keep the engine at `path`. BuildFailed with what that process said."""
    asked = {"artifact": artifact, "options": options, "path": path, "key": key}
    status, said = apart.run(__name__, "keep", asked)
    if status < 0:
        raise BuildFailed(
            "the building of the engine died of signal {}, perhaps for want of memory: close other programs, add swap, "
            "or set the option workspace_bytes".format(-status)
        )
    if status:
        raise BuildFailed(said or "the building of the engine ended with status {}".format(status))


def keep(asked):
    """The work of `in_child`: build, and write the entry."""
    begin = time.perf_counter()
    engine, facts = build(importlib.import_module("tensorrt"), asked["artifact"], asked["options"], cuda.open_runtime)
    facts["build_s"] = time.perf_counter() - begin
    engine_cache.write(asked["path"], asked["key"], facts, engine)
