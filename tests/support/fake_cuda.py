"""A CUDA runtime in plain memory, called as ctypes calls the real one. Work waits in its stream to be waited for.

Refuses what the real one refuses: memory that is not its own, copies past an end or in the wrong direction, the time of
an event that has not passed.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from typing import Any

OK, INVALID, NOT_READY, NO_DEVICE, TOO_OLD = 0, 1, 600, 100, 35
TEXTS = {
    INVALID: b"invalid argument",
    NOT_READY: b"device not ready",
    NO_DEVICE: b"no CUDA-capable device is detected",
    TOO_OLD: b"CUDA driver version is insufficient for CUDA runtime version",
}
TO_DEVICE, TO_HOST = 1, 2


class _Told:
    """A function whose result type may be set, as of a library."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self._function, self.restype = function, None

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)


class FakeCudart:
    """`status`: what counting devices answers. `now_s`: the device's clock, which only work moves."""

    def __init__(self, status: int = OK, device: str = "Fake Orin", multiprocessors: int = 8) -> None:
        self.status, self.device = status, device
        self.attributes = {16: multiprocessors, 18: 1, 75: 8, 76: 7}
        self.now_s = 0.0
        self.on_device: dict[int, Any] = {}
        self.on_host: dict[int, Any] = {}
        self.streams: dict[int, list[Callable[[], None]]] = {}
        self.events: dict[int, float | None] = {}
        self._handle = 0x1000
        self.cudaGetErrorString = _Told(lambda code: TEXTS.get(code.value, b"?"))

    def enqueue(self, stream: int, work: Callable[[], None]) -> None:
        """Work for a stream, as an engine's."""
        self.streams[stream].append(work)

    @property
    def live(self) -> int:
        """What was made and not given back."""
        return sum(map(len, (self.on_device, self.on_host, self.streams, self.events)))

    def _new(self, where: dict[int, Any], target: Any, value: Any) -> int:
        self._handle += 1
        where[self._handle] = value
        target._obj.value = self._handle
        return OK

    def _memory(self, where: dict[int, Any], target: Any, size: Any) -> int:
        memory = ctypes.create_string_buffer(b"\xff" * size.value, size.value)  # garbage, as new memory is
        target._obj.value = ctypes.addressof(memory)
        where[ctypes.addressof(memory)] = memory
        return OK

    def cudaGetDeviceCount(self, target: Any) -> int:  # noqa: N802  # CUDA's names, here and below
        target._obj.value = 1
        return self.status

    def cudaGetDeviceProperties(self, target: Any, _device: Any) -> int:  # noqa: N802
        target.value = self.device.encode()
        return OK

    def cudaDeviceGetAttribute(self, target: Any, code: Any, _device: Any) -> int:  # noqa: N802
        target._obj.value = self.attributes[code.value]
        return OK

    def cudaRuntimeGetVersion(self, target: Any) -> int:  # noqa: N802
        target._obj.value = 12060
        return OK

    def cudaDriverGetVersion(self, target: Any) -> int:  # noqa: N802
        target._obj.value = 10020
        return OK

    def cudaMalloc(self, target: Any, size: Any) -> int:  # noqa: N802
        return self._memory(self.on_device, target, size)

    def cudaMallocHost(self, target: Any, size: Any) -> int:  # noqa: N802
        return self._memory(self.on_host, target, size)

    def cudaFree(self, address: Any) -> int:  # noqa: N802
        return OK if self.on_device.pop(address.value, None) is not None else INVALID

    def cudaFreeHost(self, address: Any) -> int:  # noqa: N802
        return OK if self.on_host.pop(address.value, None) is not None else INVALID

    def cudaStreamCreate(self, target: Any) -> int:  # noqa: N802
        return self._new(self.streams, target, [])

    def cudaStreamDestroy(self, stream: Any) -> int:  # noqa: N802
        return OK if self.streams.pop(stream.value, None) is not None else INVALID

    def cudaEventCreate(self, target: Any) -> int:  # noqa: N802
        return self._new(self.events, target, None)

    def cudaEventDestroy(self, event: Any) -> int:  # noqa: N802
        return INVALID if self.events.pop(event.value, self) is self else OK

    def cudaEventRecord(self, event: Any, stream: Any) -> int:  # noqa: N802
        self.events[event.value] = None
        self.enqueue(stream.value, lambda: self.events.__setitem__(event.value, self.now_s))
        return OK

    def cudaEventElapsedTime(self, target: Any, start: Any, end: Any) -> int:  # noqa: N802
        first, last = self.events[start.value], self.events[end.value]
        if first is None or last is None:
            return NOT_READY
        target._obj.value = (last - first) * 1e3
        return OK

    def cudaMemcpy(self, target: Any, source: Any, size: Any, _kind: Any) -> int:  # noqa: N802
        ctypes.memmove(target, source, size.value)  # from a numpy array, which is nobody's memory here
        return OK if target.value in self.on_device else INVALID

    def cudaMemcpyAsync(self, target: Any, source: Any, size: Any, kind: Any, stream: Any) -> int:  # noqa: N802
        to_device = kind.value == TO_DEVICE
        first, second = (self.on_device, self.on_host) if to_device else (self.on_host, self.on_device)
        if target.value not in first or source.value not in second:
            return INVALID
        if size.value > min(len(first[target.value]), len(second[source.value])):
            return INVALID
        self.enqueue(stream.value, lambda: ctypes.memmove(target, source, size.value) and None)
        return OK

    def cudaStreamSynchronize(self, stream: Any) -> int:  # noqa: N802
        queue = self.streams[stream.value]
        while queue:
            queue.pop(0)()
        return OK
