"""Built engines beside the artifact they were built from. Owns the files and their checks; knows no runtime.

One file per engine: a line of JSON (what it was built from and for, its size and hash), then the engine. It is written
whole and moved into place; one that does not hold what it says is no entry. Removing the artifact's folder removes its
engines.
"""

import hashlib
import json
import os
import tempfile

FORMAT = "edge-harness engine 1"


def path_of(artifact, key):
    """Where the engine for `key` belongs: a dict of texts, numbers and lists that holds all that decides it."""
    text = json.dumps(key, sort_keys=True)
    name = hashlib.sha256(text.encode("utf-8")).hexdigest()[:32] + ".engine"
    return os.path.join(os.path.dirname(os.path.abspath(artifact)), "engines", name)


def read(path, key):
    """(facts, engine) of an entry; None where it is absent, damaged, or of another key, which is then removed."""
    try:
        with open(path, "rb") as source:
            head, content = source.readline(), source.read()
    except FileNotFoundError:
        return None
    try:
        told = json.loads(head.decode("utf-8"))
        whole = told["format"] == FORMAT and told["key"] == json.loads(json.dumps(key))
        if whole and told["sha256"] == hashlib.sha256(content).hexdigest():
            return told["facts"], content
    except (ValueError, KeyError, TypeError):
        pass
    remove(path)
    return None


def write(path, key, facts, content):
    """Keep an engine with what is known of its building; a reader sees all of it or nothing."""
    folder = os.path.dirname(path)
    os.makedirs(folder, exist_ok=True)
    told = {"format": FORMAT, "key": key, "facts": facts, "sha256": hashlib.sha256(content).hexdigest()}
    number, partial = tempfile.mkstemp(dir=folder, suffix=".partial")
    try:
        with os.fdopen(number, "wb") as target:
            target.write(json.dumps(told, sort_keys=True).encode("utf-8") + b"\n")
            target.write(content)
            target.flush()
            os.fsync(target.fileno())
        os.replace(partial, path)
    except BaseException:
        remove(partial)
        raise


def remove(path):
    """Take an entry away, whether it is there or not."""
    try:
        os.remove(path)
    except FileNotFoundError:
        pass
