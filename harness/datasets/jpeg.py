"""JPEG files to pixels and back. Owns the late import of Pillow, which nothing else here needs.

Decoders differ by a level now and then, so bytes that went through here are the same for one Pillow, not for all.
"""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from numpy.typing import NDArray

from harness.errors import DataError

Pixels = NDArray[np.uint8]


def decode(content: bytes, where: str) -> Pixels:
    """A JPEG file's pixels as RGB (3, height, width); grey ones get three equal channels. DataError, naming `where`."""
    image = _pillow()
    try:
        with image.open(io.BytesIO(content), formats=("JPEG",)) as picture:
            return np.asarray(picture.convert("RGB")).transpose(2, 0, 1)
    except OSError as error:  # Pillow's UnidentifiedImageError is one
        raise DataError(f"{where} is not a whole JPEG image ({error}); fetch it again") from None


def encode(pixels: Pixels, quality: int) -> bytes:
    """RGB pixels (3, height, width) as a JPEG file with the encoder's default chroma subsampling (4:2:0)."""
    file = io.BytesIO()
    _pillow().fromarray(np.ascontiguousarray(pixels.transpose(1, 2, 0))).save(file, "JPEG", quality=quality)
    return file.getvalue()


def _pillow() -> Any:
    try:
        # Type checking runs without Pillow too.
        from PIL import Image  # type: ignore[import-not-found, unused-ignore]
    except ImportError:
        raise DataError(
            "reading and writing JPEG needs Pillow, which is not installed: pip install pillow, or the extra "
            "edge-harness[build], which brings it along"
        ) from None
    return Image
