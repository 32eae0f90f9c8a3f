"""Resolving "module:Class" of a plug-point table on first use, so that nothing unasked for is imported."""

import importlib


def resolve(table, kind, name):
    """The class that `table` names. KeyError with the known names if there is none."""
    if name not in table:
        raise KeyError("no {} is called {!r}; known: {}".format(kind, name, ", ".join(sorted(table))))
    module, _, attribute = table[name].partition(":")
    return getattr(importlib.import_module(module, __package__), attribute)
