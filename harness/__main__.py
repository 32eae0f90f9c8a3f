"""``python -m harness`` is the same program as the ``harness`` command."""

import sys

from harness.cli import main

sys.exit(main())
