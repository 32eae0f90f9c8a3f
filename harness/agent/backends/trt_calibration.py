"""TensorRT's entropy calibrator over samples from a file. Owns the batches on the device; versions 8 to 10 have one."""


def calibrator(trt, runtime, path, shapes):
    """A calibrator over the .npz `path`: by input, samples stacked along the first dimension, in batches of `shapes`.

    What does not fill a last batch is left out. ValueError for a file that does not fit. `close` frees the device.
    """
    import numpy

    with numpy.load(path, allow_pickle=False) as archive:
        samples = {name: archive[name] for name in archive.files}
    batches = _batches(samples, shapes, path)

    class Calibrator(trt.IInt8EntropyCalibrator2):
        def __init__(self):
            trt.IInt8EntropyCalibrator2.__init__(self)
            self._next = 0
            self._buffers = {name: runtime.allocate(batches[0][name].nbytes) for name in shapes}

        def get_batch_size(self):
            """Samples in a batch: the first dimension of the first input."""
            return next(iter(shapes.values()))[0]

        def get_batch(self, names):
            """Addresses of the next batch in the order of `names`; None after the last."""
            if self._next == len(batches):
                return None
            batch = batches[self._next]
            self._next += 1
            for name in names:
                runtime.upload(self._buffers[name], batch[name])
            return [self._buffers[name] for name in names]

        def read_calibration_cache(self):
            """None: the ranges belong to the engine, which has a cache of its own."""

        def write_calibration_cache(self, cache):
            """Nothing is kept."""

        def close(self):
            """Free the device's memory."""
            for address in self._buffers.values():
                runtime.free(address)
            self._buffers = {}

    return Calibrator()


def _batches(samples, shapes, path):
    import numpy

    missing = sorted(set(shapes) - set(samples))
    if missing:
        raise ValueError("{} has no samples for {}; it has: {}".format(path, missing[0], ", ".join(sorted(samples))))
    counts = set()
    for name, shape in shapes.items():
        if list(samples[name].shape[1:]) != list(shape[1:]):
            raise ValueError(
                "{}: samples of {} have the shape {}, the engine takes {}".format(
                    path, name, list(samples[name].shape[1:]), list(shape[1:])
                )
            )
        counts.add(len(samples[name]) // shape[0])
    if len(counts) > 1 or counts == {0}:
        raise ValueError("{}: not as many samples for each input, or not enough for one batch".format(path))
    return [
        {
            name: numpy.ascontiguousarray(samples[name][number * shape[0] : (number + 1) * shape[0]], numpy.float32)
            for name, shape in shapes.items()
        }
        for number in range(counts.pop())
    ]
