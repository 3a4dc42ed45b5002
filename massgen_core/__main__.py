"""Makes `python -m massgen_core` the command `massgen`."""

from __future__ import annotations

import sys

from massgen_core.cli.main import main

sys.exit(main())
