"""Large images and files at Google, for as long as a run needs them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from typing import TYPE_CHECKING

from massgen_backend_gemini.faults import GeminiFaults
from massgen_core.api import BackendFault, Uploads, open_uploads

if TYPE_CHECKING:
    from massgen_backend_gemini.client import Connection, Open

__all__ = ["opened"]

SECONDS = 600.0


def opened(connection: Connection, faults: GeminiFaults, connect_seconds: float) -> AbstractAsyncContextManager[Uploads]:
    """Open the uploads of a run. Google deletes by itself, after two days, what a run that died left there."""
    names: dict[str, str] = {}

    @asynccontextmanager
    async def calling() -> AsyncIterator[Open]:
        call = connection.call(connect_seconds, SECONDS)
        try:
            async with aclosing(call):
                yield call
            return
        except BackendFault:
            raise
        except Exception as error:
            fault = faults.of(error, "")
        raise fault from None  # the SDK's errors hold the request, and so the key

    async def put(name: str, media_type: str, data: bytes) -> str:
        async with calling() as call:
            made, address = await connection.put(call, name, media_type, data)
        names[address] = made
        return address

    async def drop(address: str) -> None:
        async with calling() as call:
            await connection.drop(call, names[address])

    return open_uploads(put, drop)
