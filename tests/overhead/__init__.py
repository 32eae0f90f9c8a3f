"""What the harness itself costs. Run through `nox -s overhead`, on a quiet machine; never part of the tests."""
