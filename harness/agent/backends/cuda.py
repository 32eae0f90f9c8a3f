"""The CUDA runtime through ctypes: device memory, streams, events. Owns the calls and their errors; knows no network.

Any libcudart from 10.2 to 13 will do. Of structures that change between versions only the first field is read.
"""

import ctypes
import glob
import os
import sys

LIBRARIES = ("libcudart.so.13", "libcudart.so.12", "libcudart.so.11.0", "libcudart.so.10.2", "libcudart.so")
# Where installers leave them without telling the loader; the last is of pip's nvidia-cuda-runtime.
FOLDERS = ("/usr/local/cuda*/lib64", "/usr/local/cuda*/targets/*/lib")
PACKAGES = "nvidia/*/lib"
HOST_TO_DEVICE, DEVICE_TO_HOST = 1, 2
# Of cudaDeviceAttr.
MULTIPROCESSORS, INTEGRATED, CAPABILITY_MAJOR, CAPABILITY_MINOR = 16, 18, 75, 76
# cudaDeviceProp has about 1 kB in every version and begins with the name.
PROPERTIES_BYTES, NAME_BYTES = 16384, 256
NO_LIBRARY = (
    "no libcudart was found ({}); on a Jetson: sudo apt install nvidia-jetpack; elsewhere install CUDA, or: "
    "python3 -m pip install nvidia-cuda-runtime"
)
DRIVER_FIX = "is the GPU's driver loaded, and as new as this library?"


class CudaError(RuntimeError):
    """A call of the CUDA runtime that failed: its name, what CUDA says of it, the number."""


def open_runtime(load=ctypes.CDLL):
    """The first runtime that loads and finds a device. CudaError, with the reason of the first that loaded.

    One that is newer than the driver fails at its first call, and an older one beside it may not.
    """
    first = None
    for path in _candidates():
        try:
            runtime = Cuda(load(path))
        except OSError:
            continue
        try:
            runtime.check_device()
        except CudaError as error:
            first = first or CudaError("{}: {}; {}".format(path, error, DRIVER_FIX))
            continue
        return runtime
    raise first or CudaError(NO_LIBRARY.format(", ".join(LIBRARIES)))


def _candidates():
    """Names for the loader, then paths."""
    folders = [folder for pattern in FOLDERS for folder in sorted(glob.glob(pattern), reverse=True)]
    folders += [folder for place in sys.path for folder in sorted(glob.glob(os.path.join(place, PACKAGES)))]
    paths = [os.path.join(folder, name) for folder in folders for name in LIBRARIES]
    return list(LIBRARIES) + [path for path in paths if os.path.exists(path)]


class Cuda:
    """A loaded CUDA runtime. Addresses, streams and events are integers."""

    def __init__(self, library):
        self._library = library

    def call(self, name, *arguments):
        """Call a function of the runtime now; CudaError where it does not return success."""
        self.prepared(name, *arguments)()

    def prepared(self, name, *arguments):
        """The same call to be made later, as often as wanted: converting arguments costs more than many calls do."""
        function = getattr(self._library, name)

        def call():
            status = function(*arguments)
            if status:
                raise self._error(name, status)

        return call

    def _error(self, name, status):
        said = self._library.cudaGetErrorString
        said.restype = ctypes.c_char_p
        text = said(ctypes.c_int(status)) or b"?"
        return CudaError("{}: {} (error {})".format(name, text.decode("utf-8", "replace"), status))

    def _made(self, name, *arguments):
        """The handle or address that a call writes into its first argument."""
        made = ctypes.c_void_p()
        self.call(name, ctypes.byref(made), *arguments)
        return made.value

    def _number(self, name, *arguments):
        number = ctypes.c_int()
        self.call(name, ctypes.byref(number), *arguments)
        return number.value

    def check_device(self):
        """CudaError where no device can be used."""
        if self._number("cudaGetDeviceCount") < 1:
            raise CudaError("cudaGetDeviceCount: no CUDA device")

    def describe(self):
        """What engines are built for: name, compute capability, multiprocessors (power modes change their number)."""
        properties = ctypes.create_string_buffer(PROPERTIES_BYTES)
        self.call("cudaGetDeviceProperties", properties, ctypes.c_int(0))
        return {
            "name": properties.raw[:NAME_BYTES].split(b"\0")[0].decode("utf-8", "replace"),
            "capability": "{}.{}".format(self._attribute(CAPABILITY_MAJOR), self._attribute(CAPABILITY_MINOR)),
            "multiprocessors": self._attribute(MULTIPROCESSORS),
            "integrated": bool(self._attribute(INTEGRATED)),
        }

    def _attribute(self, code):
        return self._number("cudaDeviceGetAttribute", ctypes.c_int(code), ctypes.c_int(0))

    def versions(self):
        """Of this library, and the newest that the driver supports: {"cuda": "12.6", "cuda_driver": "12.6"}."""
        asked = {"cuda": "cudaRuntimeGetVersion", "cuda_driver": "cudaDriverGetVersion"}
        numbers = {name: self._number(function) for name, function in asked.items()}
        return {name: "{}.{}".format(number // 1000, number % 1000 // 10) for name, number in numbers.items()}

    def allocate(self, size_bytes):
        """An address of device memory."""
        return self._made("cudaMalloc", ctypes.c_size_t(size_bytes))

    def free(self, address):
        """Give device memory back."""
        self.call("cudaFree", ctypes.c_void_p(address))

    def upload(self, address, array):
        """Copy a whole array to the device, now."""
        source = ctypes.c_void_p(array.ctypes.data)
        kind = ctypes.c_int(HOST_TO_DEVICE)
        self.call("cudaMemcpy", ctypes.c_void_p(address), source, ctypes.c_size_t(array.nbytes), kind)

    def allocate_host(self, size_bytes):
        """An address of host memory that stays where it is, so that copies need no second one."""
        return self._made("cudaMallocHost", ctypes.c_size_t(size_bytes))

    def free_host(self, address):
        """Give such memory back."""
        self.call("cudaFreeHost", ctypes.c_void_p(address))

    def stream(self):
        """A stream of its own: the legacy one waits for all others."""
        return self._made("cudaStreamCreate")

    def destroy_stream(self, stream):
        """End a stream."""
        self.call("cudaStreamDestroy", ctypes.c_void_p(stream))

    def event(self):
        """A point in a stream, with its time."""
        return self._made("cudaEventCreate")

    def destroy_event(self, event):
        """Give an event back."""
        self.call("cudaEventDestroy", ctypes.c_void_p(event))

    def recording(self, event, stream):
        """A call that puts the event behind everything that the stream holds."""
        return self.prepared("cudaEventRecord", ctypes.c_void_p(event), ctypes.c_void_p(stream))

    def elapsed_s(self, start, end):
        """Seconds of device time between two events that have passed; CUDA resolves about 0.5 us."""
        passed_ms = ctypes.c_float()
        self.call("cudaEventElapsedTime", ctypes.byref(passed_ms), ctypes.c_void_p(start), ctypes.c_void_p(end))
        return passed_ms.value / 1e3

    def copying(self, target, source, size_bytes, kind, stream):
        """A call that queues a copy; `kind`: HOST_TO_DEVICE or DEVICE_TO_HOST."""
        return self.prepared(
            "cudaMemcpyAsync",
            ctypes.c_void_p(target),
            ctypes.c_void_p(source),
            ctypes.c_size_t(size_bytes),
            ctypes.c_int(kind),
            ctypes.c_void_p(stream),
        )

    def synchronising(self, stream):
        """A call that returns when all that the stream holds is done."""
        return self.prepared("cudaStreamSynchronize", ctypes.c_void_p(stream))


class Buffer:
    """One tensor twice: pinned on the host, seen as an array, and on the device."""

    def __init__(self, runtime, shape, dtype):
        import numpy

        self._runtime = runtime
        self.size_bytes = max(1, int(numpy.prod(shape, dtype=numpy.int64)) * numpy.dtype(dtype).itemsize)
        self.device = runtime.allocate(self.size_bytes)
        self.host = runtime.allocate_host(self.size_bytes)
        memory = (ctypes.c_char * self.size_bytes).from_address(self.host)
        count = int(numpy.prod(shape, dtype=numpy.int64))
        self.array = numpy.frombuffer(memory, dtype=dtype, count=count).reshape(shape)
        self.array.fill(0)

    def to_device(self, stream):
        """A call that queues the copy of the array to the device."""
        return self._runtime.copying(self.device, self.host, self.size_bytes, HOST_TO_DEVICE, stream)

    def to_host(self, stream):
        """A call that queues the copy back into the array."""
        return self._runtime.copying(self.host, self.device, self.size_bytes, DEVICE_TO_HOST, stream)

    def close(self):
        """Give both memories back; the array must not be touched afterwards."""
        self.array = None
        self._runtime.free(self.device)
        self._runtime.free_host(self.host)
