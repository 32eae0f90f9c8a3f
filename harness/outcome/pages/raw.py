"""What the button of a page saves: the JSON as it is, or compressed where it is long. Owns that form alone.

The page's script (download.js) reads both.
"""

from __future__ import annotations

import base64
import gzip

from harness.model.codec import Json, canonical

# Of bytes: beyond, the data would weigh more than all the rest of a page.
MOST_PLAIN = 1_000_000
PACKED = "gzip+base64"


def raw(value: Json) -> Json:
    """The value, or {PACKED: its canonical JSON in UTF-8, compressed, in base64}; the same bytes for the same value."""
    # Half a surrogate, as a board's text may hold, is no UTF-8; escaped it is JSON.
    text = canonical(value).encode("utf-8", "backslashreplace")
    if len(text) <= MOST_PLAIN:
        return value
    return {PACKED: base64.b64encode(gzip.compress(text, compresslevel=6, mtime=0)).decode()}
