"""Arrays in and out of a session: bound inputs, the output signature, predictions. numpy only where arrays exist."""

import hashlib
import math
from array import array

# Enough to tell two models apart; a segmentation map has millions of values.
SIGNATURE_VALUES = 256


def load_inputs(path):
    """Arrays by name from an .npz file; none where there is no file."""
    if path is None:
        return {}
    import numpy

    with numpy.load(path, allow_pickle=False) as archive:
        return {name: archive[name] for name in archive.files}


def file_sha256(path):
    """The hash of a file's bytes, in hex; read after loading, so that it warms no cache for it."""
    digest = hashlib.sha256()
    with open(path, "rb") as source:
        for chunk in iter(lambda: source.read(1 << 20), b""):
            digest.update(chunk)
    return digest.hexdigest()


def signature(arrays):
    """Evenly spaced values of the first output (256 at most), and whether every value of every output is finite.

    Values that are not finite become None, as JSON has no NaN. An output of words or of sequences has no signature.
    """
    numeric = [one for one in arrays if _is_numeric(one)]
    first = _flat(numeric[0]) if numeric else []
    step = max(1, -(-len(first) // SIGNATURE_VALUES))
    picked = [float(value) for value in first[::step]]
    return [value if math.isfinite(value) else None for value in picked], all(_finite(one) for one in numeric)


def predict(session, images_path, batch, limit):
    """Run images through the session; returns columns top1 and logits (row after row), and whether all are finite."""
    import numpy

    images = numpy.load(images_path, mmap_mode="r", allow_pickle=False)[:limit]
    top1, logits = array("d"), array("d")
    name = session.input_names()[0]
    for first in range(0, len(images), batch):
        # The preprocessing of the timed run: float32 in [0, 1]; the rest is inside the graph.
        session.bind({name: images[first : first + batch].astype(numpy.float32) / 255})
        session.step()
        rows = numpy.asarray(session.outputs()[0], dtype=numpy.float64)
        top1.extend(rows.argmax(axis=1).tolist())
        logits.extend(rows.ravel().tolist())
    return [("top1", top1), ("logits", logits)], all(math.isfinite(value) for value in logits)


def _is_numeric(values):
    if hasattr(values, "ravel"):
        return values.dtype.kind in "fiub"
    return isinstance(values, (array, list)) and all(isinstance(value, (int, float)) for value in values)


def _flat(values):
    return values.ravel() if hasattr(values, "ravel") else values


def _finite(values):
    if hasattr(values, "ravel"):
        import numpy

        return values.dtype.kind != "f" or bool(numpy.isfinite(values).all())
    return all(math.isfinite(value) for value in values)
