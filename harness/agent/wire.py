"""The form of what crosses the link: JSON lines for control, one binary file for columns. Owns no meaning.

Column file: one JSON line `{"columns": [[name, count], ...]}`, then the columns in that order as little-endian
float64. It needs no numpy on the board and the host reads it without a copy.
"""

import json
import sys
import traceback
from array import array

# A process ends itself this long after whoever asked it would have ended it, so that a living one always speaks first.
GRACE_S = 30.0


def request(name, arguments, timeout_s):
    """The message that asks for something; `timeout_s` is how long the answer is waited for."""
    return {"do": name, "with": arguments, "deadline_s": timeout_s + GRACE_S}


def encode(message):
    """One message as a line without its end. NaN and infinity are refused: they are not JSON."""
    return json.dumps(message, sort_keys=True, allow_nan=False)


def decode(line):
    """The message of a line. ValueError if it is none."""
    message = json.loads(line)
    if not isinstance(message, dict):
        raise ValueError("a message must be a JSON object")
    return message


def failure(error):
    """An exception as data: type, text and traceback."""
    text = "".join(traceback.format_exception(type(error), error, error.__traceback__))
    return {"type": type(error).__name__, "text": str(error), "traceback": text}


def write_columns(path, columns):
    """Write (name, array of doubles) pairs. The order is kept; names are unique."""
    header = {"columns": [[name, len(values)] for name, values in columns]}
    with open(path, "wb") as target:
        target.write(json.dumps(header).encode("utf-8") + b"\n")
        for _, values in columns:
            if sys.byteorder == "big":
                values = array("d", values)
                values.byteswap()
            values.tofile(target)


def read_columns(path):
    """The columns of a file by name. ValueError where it is truncated or not such a file."""
    columns = {}
    with open(path, "rb") as source:
        try:
            header = json.loads(source.readline().decode("utf-8"))["columns"]
            for name, count in header:
                values = array("d")
                values.fromfile(source, count)
                if sys.byteorder == "big":
                    values.byteswap()
                columns[name] = values
        except (EOFError, KeyError, TypeError, ValueError) as error:
            raise ValueError("{} is not a whole column file: {!r}".format(path, error))
    return columns
