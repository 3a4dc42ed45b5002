"""What this distribution provides."""

from __future__ import annotations

from massgen_core.api import CredentialStoreSpec, hookimpl


@hookimpl
def massgen_credential_stores() -> list[CredentialStoreSpec]:
    return [
        CredentialStoreSpec(
            name="dotenv",
            factory="massgen_credentials_dotenv.store:DotenvStore",
            summary="the user's .env in the configuration folder, then the project's .env in the working folder",
            order=40,
        )
    ]
