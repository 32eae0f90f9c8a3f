"""The CUDA runtime by ctypes, on a fake that is called the same way."""

from __future__ import annotations

import ctypes
from typing import Any

import numpy as np
import pytest

from harness.agent.backends import cuda
from tests.support.fake_cuda import NO_DEVICE, TOO_OLD, FakeCudart


@pytest.fixture
def library() -> FakeCudart:
    return FakeCudart()


def libraries(found: dict[str, FakeCudart]) -> Any:
    """A loader that has these by name and nothing else."""

    def load(path: str) -> FakeCudart:
        if path not in found:
            raise OSError(f"{path}: cannot open shared object file")
        return found[path]

    return load


def test_the_newest_library_that_works_is_taken() -> None:
    old, new = FakeCudart(), FakeCudart(status=TOO_OLD)
    runtime = cuda.open_runtime(libraries({"libcudart.so.12": new, "libcudart.so.10.2": old}))
    assert runtime._library is old


def test_the_first_reason_is_told_where_none_works() -> None:
    found = {"libcudart.so.13": FakeCudart(status=TOO_OLD), "libcudart.so.12": FakeCudart(status=NO_DEVICE)}
    with pytest.raises(cuda.CudaError) as caught:
        cuda.open_runtime(libraries(found))
    assert str(caught.value) == (
        "libcudart.so.13: cudaGetDeviceCount: CUDA driver version is insufficient for CUDA runtime version (error 35); "
        "is the GPU's driver loaded, and as new as this library?"
    )


def test_without_a_library_the_names_are_told() -> None:
    with pytest.raises(
        cuda.CudaError, match=r"no libcudart was found \(libcudart\.so\.13, .*libcudart\.so\); on a Jetson"
    ):
        cuda.open_runtime(libraries({}))


def test_a_device_is_described_by_what_engines_depend_on(library: FakeCudart) -> None:
    found = cuda.Cuda(library).describe()
    assert found == {"name": "Fake Orin", "capability": "8.7", "multiprocessors": 8, "integrated": True}


def test_versions_are_written_as_people_write_them(library: FakeCudart) -> None:
    assert cuda.Cuda(library).versions() == {"cuda": "12.6", "cuda_driver": "10.2"}


def test_a_buffer_goes_to_the_device_and_back(library: FakeCudart) -> None:
    runtime = cuda.Cuda(library)
    stream = runtime.stream()
    buffer = cuda.Buffer(runtime, (2, 3), "float32")
    assert buffer.size_bytes == 24
    assert np.array_equal(buffer.array, np.zeros((2, 3)))  # new memory holds anything
    buffer.array[...] = np.arange(6).reshape(2, 3)
    buffer.to_device(stream)()
    runtime.synchronising(stream)()
    buffer.array[...] = 0
    buffer.to_host(stream)()
    assert buffer.array.sum() == 0  # queued, not done
    runtime.synchronising(stream)()
    assert buffer.array.tolist() == [[0, 1, 2], [3, 4, 5]]
    buffer.close()
    runtime.destroy_stream(stream)
    assert library.live == 0


def test_a_tensor_of_no_dimension_is_one_value(library: FakeCudart) -> None:
    buffer = cuda.Buffer(cuda.Cuda(library), (), "int64")
    assert (buffer.size_bytes, buffer.array.shape) == (8, ())
    buffer.close()


def test_an_array_is_uploaded_whole(library: FakeCudart) -> None:
    runtime = cuda.Cuda(library)
    address = runtime.allocate(12)
    runtime.upload(address, np.array([1, 2, 3], np.float32))
    assert np.frombuffer(ctypes.string_at(address, 12), np.float32).tolist() == [1, 2, 3]


def test_a_call_that_fails_names_itself(library: FakeCudart) -> None:
    runtime = cuda.Cuda(library)
    with pytest.raises(cuda.CudaError, match=r"cudaFree: invalid argument \(error 1\)"):
        runtime.free(12345)
    stream = runtime.stream()
    host, device = runtime.allocate_host(8), runtime.allocate(8)
    for arguments in ((device, host, 9, cuda.HOST_TO_DEVICE), (device, host, 8, cuda.DEVICE_TO_HOST)):
        with pytest.raises(cuda.CudaError, match="cudaMemcpyAsync: invalid argument"):
            runtime.copying(*arguments, stream)()


def test_time_between_events_is_in_seconds(library: FakeCudart) -> None:
    runtime = cuda.Cuda(library)
    stream, start, end = runtime.stream(), runtime.event(), runtime.event()
    runtime.recording(start, stream)()

    def work() -> None:
        library.now_s += 0.25

    library.enqueue(stream, work)
    runtime.recording(end, stream)()
    with pytest.raises(cuda.CudaError, match="device not ready"):
        runtime.elapsed_s(start, end)
    runtime.synchronising(stream)()
    assert runtime.elapsed_s(start, end) == 0.25
