"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import MigrationSpec, hookimpl

__all__ = ["massgen_migrations"]


@hookimpl
def massgen_migrations() -> list[MigrationSpec]:
    """Provide the migration `massgen01`."""
    return [
        MigrationSpec(
            name="massgen01",
            source=0,
            target=1,
            warns=True,
            summary="configurations of MassGen 0.0 and 0.1",
            factory="massgen_migrate_massgen.migrate:migrate",
        )
    ]
