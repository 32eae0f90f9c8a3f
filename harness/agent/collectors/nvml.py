"""NVIDIA GPUs through NVML and its own package nvidia-ml-py: energy, power, clocks, throttling, of each GPU.

Counter and power are both read, and never one made from the other: on some cards they disagree by tens of percent.
Field values, limits and meanings are those of NVIDIA's nvml.h. What a GPU does not answer is left out; on Jetson
boards before Thor NVML starts and then supports nothing.
"""

from collections import namedtuple

from . import NAN, Channel, options_of

OPTIONS = ("gpu",)
PACKAGE = "python3 -m pip install nvidia-ml-py"
# Return codes of nvml.h.
SUCCESS, NOT_SUPPORTED, FUNCTION_NOT_FOUND = 0, 3, 13
REMEDIES = {
    4: "run as a user who may open /dev/nvidia*",
    9: "load the driver with `sudo modprobe nvidia`",
    12: "install NVIDIA's driver; in a container, start it with --gpus all",
    18: "restart the machine: driver and library are of two versions",
}
REMEDY = "install NVIDIA's driver, until nvidia-smi lists the GPU; in a container, start it with --gpus all"
# Fields: power now, on all architectures; its mean of one second. valueType 0 to 6, in the order of nvmlValueType_t.
INSTANT_POWER, AVERAGE_POWER = 186, 185
VALUE_TYPES = ("dVal", "uiVal", "ulVal", "ullVal", "sllVal", "siVal", "usVal")
CLOCK_SM, CLOCK_MEMORY, SENSOR_GPU = 1, 2, 0
# Bits of nvmlDeviceGetCurrentClocksEventReasons that slow a GPU below what was asked of it. Idle (bit 0), clocks set by
# the user (bit 1) and the groups of bits 4 and 8 do not. hw_slowdown is all that old drivers tell of the two after it.
# Reaching its power limit is what a GPU does under load: its clock is capped, nothing is wrong with it.
REASONS = (
    ("frequency_capped_{}_sw_power_cap", 0x4),
    ("throttled_{}_hw_slowdown", 0x8),
    ("throttled_{}_sw_thermal_slowdown", 0x20),
    ("throttled_{}_hw_thermal_slowdown", 0x40),
    ("throttled_{}_hw_power_brake_slowdown", 0x80),
)

# columns: (name with {} for the GPU, unit, kind, scope, provenance); ask(library, handle) -> a value for each, or None.
Query = namedtuple("Query", "columns ask")
# columns: places in its query's answer that this GPU supports.
Gpu = namedtuple("Gpu", "label handle queries")


def load_pynvml():
    """The module, imported late."""
    import pynvml

    return pynvml


class NvmlCollector:
    """All GPUs, or the one of the option gpu: its index or its UUID."""

    name = "nvml"

    def __init__(self, place, load=load_pynvml):
        options = options_of(self.name, place, OPTIONS)
        self._wanted, self._load = options.get("gpu"), load
        self._library, self._gpus, self._channels, self._facts = None, [], None, {}

    def why_unavailable(self):
        """None where a GPU answers."""
        try:
            self.start()
        except (ImportError, OSError) as error:
            return str(error)
        finally:
            self.stop()
        return None

    def channels(self):
        """Of each GPU what it answered when it was opened."""
        if self._channels is None:
            self.why_unavailable()
        return list(self._channels or [])

    def start(self):
        """Start NVML and see what each GPU supports. ImportError, OSError: "reason: remedy"."""
        try:
            library = self._load()
        except ImportError as error:
            raise ImportError("the package nvidia-ml-py is missing ({}): {}".format(error, PACKAGE))
        try:
            library.nvmlInit()
        except library.NVMLError as error:
            remedy = REMEDIES.get(getattr(error, "value", None), REMEDY)
            raise OSError("NVML does not start ({}): {}".format(error, remedy))
        self._library = library
        try:
            self._survey(library)
        except library.NVMLError as error:
            self.stop()
            raise OSError("NVML starts but does not list its GPUs ({}): {}".format(error, REMEDY))
        except BaseException:
            self.stop()
            raise

    def read(self):
        """One row; NaN for what fails."""
        library = self._library
        if library is None:
            raise OSError("NVML is not started")
        row = []
        for gpu in self._gpus:
            for query, places in gpu.queries:
                try:
                    answer = query.ask(library, gpu.handle)
                except library.NVMLError:
                    answer = None
                row += [_known(answer, place) for place in places]
        return row

    def facts(self):
        """Driver, and by GPU: name, UUID, persistence mode, what its power figure is and what its counter covers."""
        return dict(self._facts)

    def stop(self):
        """Let NVML go; a reading that is under way fails, and is missing."""
        library, self._library = self._library, None
        if library is not None:
            try:
                library.nvmlShutdown()
            except library.NVMLError:
                pass  # it is down already

    def _survey(self, library):
        handles = [(index, library.nvmlDeviceGetHandleByIndex(index)) for index in range(library.nvmlDeviceGetCount())]
        listed = [(index, handle, _text(library.nvmlDeviceGetUUID(handle))) for index, handle in handles]
        chosen = [one for one in listed if self._wanted is None or str(self._wanted) in (str(one[0]), one[2])]
        if not chosen:
            known = ", ".join("{} ({})".format(index, uuid) for index, _, uuid in listed) or "none"
            wanted = "any GPU" if self._wanted is None else "the GPU {}".format(self._wanted)
            raise OSError("NVML does not see {}, but {}: check the option gpu of nvml".format(wanted, known))
        gpus, channels, described = [], [], {}
        for index, handle, uuid in chosen:
            label = "gpu{}".format(index)
            described[label] = _describe(library, handle, uuid)
            queries = []
            for query in _queries(described[label]["energy_covers"]):
                places = _supported(query, library, handle)
                queries += [(query, places)] if places else []
                channels += [_channel(query.columns[place], label) for place in places]
            gpus.append(Gpu(label, handle, queries))
        if not channels:
            raise OSError(
                "NVML starts but answers NotSupported to every question, as on Jetson boards before Thor: read the "
                "board's own sensors instead, with the collectors ina or tegrastats"
            )
        self._gpus, self._channels = gpus, channels
        self._facts = {"driver": _said(library, "nvmlSystemGetDriverVersion"), "gpus": described}


def _queries(energy_covers):
    counter = "module input" if energy_covers == "module" else "GPU"
    return (
        Query((("{}_energy", "J", "counter", counter, "hardware counter"),), _energy),
        Query((("{}_power", "W", "gauge", "GPU", "hardware counter"),), _power),
        Query(
            (
                ("{}_instant_power", "W", "gauge", "GPU", "hardware counter"),
                ("{}_average_power", "W", "gauge", "GPU", "hardware counter"),
            ),
            _field_powers,
        ),
        Query((("{}_sm_clock", "Hz", "gauge", "GPU", "nvml"),), _sm_clock),
        Query((("{}_memory_clock", "Hz", "gauge", "GPU", "nvml"),), _memory_clock),
        Query((("{}_temperature", "degC", "gauge", "GPU", "nvml"),), _temperature),
        Query(
            (("{}_load", "1", "gauge", "GPU", "nvml"), ("{}_memory_load", "1", "gauge", "GPU", "nvml")),
            _loads,
        ),
        Query(tuple((name, "flag", "gauge", "GPU", "nvml") for name, _ in REASONS), _reasons),
    )


def _channel(column, label):
    return Channel(column[0].format(label), *column[1:])


def _supported(query, library, handle):
    """Places of the columns that this GPU answers. Only a plain "no" counts: what fails today may answer later."""
    try:
        answer = query.ask(library, handle)
    except library.NVMLError as error:
        if getattr(error, "value", None) in (NOT_SUPPORTED, FUNCTION_NOT_FOUND):
            return []
        return list(range(len(query.columns)))
    except AttributeError:
        return []  # a package older than the question
    return [place for place, value in enumerate(answer) if value is not None]


def _known(answer, place):
    return NAN if answer is None or answer[place] is None else answer[place]


def _energy(library, handle):
    return (library.nvmlDeviceGetTotalEnergyConsumption(handle) / 1000.0,)  # mJ since the driver was loaded


def _power(library, handle):
    return (library.nvmlDeviceGetPowerUsage(handle) / 1000.0,)  # mW


def _field_powers(library, handle):
    """Each field answers, or fails, by itself."""
    found = []
    for field in library.nvmlDeviceGetFieldValues(handle, [INSTANT_POWER, AVERAGE_POWER]):
        value = getattr(field.value, VALUE_TYPES[field.valueType]) if field.nvmlReturn == SUCCESS else None
        found.append(None if value is None else value / 1000.0)  # mW
    return found


def _sm_clock(library, handle):
    return (library.nvmlDeviceGetClockInfo(handle, CLOCK_SM) * 1e6,)


def _memory_clock(library, handle):
    return (library.nvmlDeviceGetClockInfo(handle, CLOCK_MEMORY) * 1e6,)


def _temperature(library, handle):
    return (float(library.nvmlDeviceGetTemperature(handle, SENSOR_GPU)),)


def _loads(library, handle):
    rates = library.nvmlDeviceGetUtilizationRates(handle)
    return rates.gpu / 100.0, rates.memory / 100.0


def _reasons(library, handle):
    # Renamed in driver 535; a new package on an old driver knows the function and fails to find it.
    try:
        bits = library.nvmlDeviceGetCurrentClocksEventReasons(handle)
    except (AttributeError, library.NVMLError):
        bits = library.nvmlDeviceGetCurrentClocksThrottleReasons(handle)
    return [float(bool(bits & bit)) for _, bit in REASONS]


def _describe(library, handle, uuid):
    name = _said(library, "nvmlDeviceGetName", handle)
    persistence = _said(library, "nvmlDeviceGetPersistenceMode", handle)
    capability = _said(library, "nvmlDeviceGetCudaComputeCapability", handle)
    return {
        "name": name,
        "uuid": uuid,
        "persistence_mode": None if persistence is None else bool(persistence),
        "compute_capability": None if capability is None else list(capability),
        "power_is": _power_is(capability),
        # On GH200 the counter counts the processor and its memory too (ml-energy/zeus#172).
        "energy_covers": "module" if name is not None and "GH200" in name else "GPU",
    }


def _power_is(capability):
    """What nvmlDeviceGetPowerUsage gives, by nvml.h: a mean of 1 s on Ampere, except for GA100, and on all newer."""
    if capability is None:
        return None
    return "instantaneous" if tuple(capability) <= (8, 0) else "mean of 1 s"


def _said(library, function, *arguments):
    try:
        return _text(getattr(library, function)(*arguments))
    except (AttributeError, library.NVMLError):
        return None


def _text(value):
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else value  # bytes in old packages
