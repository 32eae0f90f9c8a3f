"""``python -m harness.agent``; in the archive, the root ``__main__.py`` calls the same function."""

import sys

from .main import main

sys.exit(main(sys.argv))
