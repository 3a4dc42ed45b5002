"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import CredentialStoreSpec, hookimpl


@hookimpl
def massgen_credential_stores() -> list[CredentialStoreSpec]:
    return [
        CredentialStoreSpec(
            name="keyring",
            factory="massgen_credentials_keyring.store:KeyringStore",
            summary="the operating system's keyring",
            order=20,
            is_protected=True,
        )
    ]
