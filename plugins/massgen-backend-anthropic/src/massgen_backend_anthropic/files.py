"""Large images and PDF at Anthropic, for as long as a run needs them."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, TypeAlias

from massgen_core.api import BackendFault, Uploads, open_uploads

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

__all__ = ["opened"]

FaultOf: TypeAlias = Callable[[Exception, str], BackendFault]
SECONDS = 600.0
KEPT_SECONDS = 24 * 3600  # Anthropic deletes by itself what a run that died left there


def opened(
    client: AsyncAnthropic, headers: dict[str, str], fault_of: Callable[[Exception, str], BackendFault]
) -> AbstractAsyncContextManager[Uploads]:
    """Open the uploads of a run.

    Args:
        headers: That each request needs.
        fault_of: Makes the error of what the SDK raised for a model.
    """

    async def put(name: str, media_type: str, data: bytes) -> str:
        try:
            made: Any = await client.files.upload(
                file=(name, data, media_type), expires_in_seconds=KEPT_SECONDS, timeout=SECONDS, extra_headers=headers
            )
            if isinstance(word := getattr(made, "id", None), str) and word:
                return word
            raise ValueError
        except Exception as error:
            fault = fault_of(error, "")
        raise fault from None  # the SDK's errors hold the request, and so the key

    async def drop(word: str) -> None:
        try:
            await client.files.delete(word, extra_headers=headers)
        except Exception as error:
            fault = fault_of(error, "")
        else:
            return
        raise fault from None

    return open_uploads(put, drop)
