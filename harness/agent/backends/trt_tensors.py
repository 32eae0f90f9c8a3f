"""The two ways to name an engine's tensors: by binding (8.0 to 8.4), by name (8.5 and later). Knows no memory."""


class NamedTensors:
    """Tensors by name: 8.5 and later."""

    api = "named tensors"

    def __init__(self, trt, engine, context):
        self._engine, self._context = engine, context
        self.names = [engine.get_tensor_name(number) for number in range(engine.num_io_tensors)]
        self._inputs = {name for name in self.names if engine.get_tensor_mode(name) == trt.TensorIOMode.INPUT}

    def is_input(self, name):
        """Whether it is fed."""
        return name in self._inputs

    def dtype(self, name):
        """Its element type, a trt.DataType."""
        return self._engine.get_tensor_dtype(name)

    def set_shape(self, name, shape):
        """Fix an input's free dimensions; False where the engine does not take that shape."""
        return self._context.set_input_shape(name, shape)

    def shape(self, name):
        """With every dimension known once all inputs are fixed."""
        return tuple(self._context.get_tensor_shape(name))

    def running(self, addresses, stream):
        """A call that queues one inference; `addresses` by name."""
        for name, address in addresses.items():
            self._context.set_tensor_address(name, address)
        execute = self._context.execute_async_v3
        return lambda: execute(stream)


class Bindings:
    """Tensors by their number: 8.0 to 8.4."""

    api = "bindings"

    def __init__(self, _trt, engine, context):
        self._engine, self._context = engine, context
        self.names = [engine.get_binding_name(number) for number in range(engine.num_bindings)]

    def is_input(self, name):
        """Whether it is fed."""
        return self._engine.binding_is_input(self.names.index(name))

    def dtype(self, name):
        """Its element type, a trt.DataType."""
        return self._engine.get_binding_dtype(self.names.index(name))

    def set_shape(self, name, shape):
        """Fix an input's free dimensions; False where the engine does not take that shape."""
        return self._context.set_binding_shape(self.names.index(name), shape)

    def shape(self, name):
        """With every dimension known once all inputs are fixed."""
        return tuple(self._context.get_binding_shape(self.names.index(name)))

    def running(self, addresses, stream):
        """A call that queues one inference; `addresses` by name."""
        bindings = [addresses[name] for name in self.names]
        execute = self._context.execute_async_v2
        return lambda: execute(bindings, stream)


def numpy_type(trt, kind, name):
    """trt.nptype fails with numpy 1.24 and later in the versions of JetPack 4 and 5: it names numpy.bool."""
    types = (
        ("FLOAT", "float32"),
        ("HALF", "float16"),
        ("INT8", "int8"),
        ("INT32", "int32"),
        ("INT64", "int64"),
        ("UINT8", "uint8"),
        ("BOOL", "bool"),
    )
    for label, found in types:
        if hasattr(trt.DataType, label) and kind == getattr(trt.DataType, label):
            return found
    raise TypeError("{} is of type {}, which numpy does not have".format(name, kind))
