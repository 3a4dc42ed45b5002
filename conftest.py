"""What holds for every test of the repository."""

from __future__ import annotations

import os
from contextlib import suppress

# Environments that look at files only come without Hypothesis.
with suppress(ModuleNotFoundError):
    from hypothesis import HealthCheck, settings

    # Other work on the same cores makes an example slow, which says nothing about the code; a server repeats what it found.
    settings.register_profile("massgen", deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=bool(os.environ.get("CI")))
    settings.load_profile("massgen")
