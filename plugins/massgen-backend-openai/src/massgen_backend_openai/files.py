"""Large images and files at OpenAI, for as long as a run needs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import Any

import openai

from massgen_backend_openai.faults import BROKEN
from massgen_backend_openai.wire import Place, is_textual
from massgen_core.api import BackendFault, Faults, File, Image, Message, Uploads, open_uploads

__all__ = ["opened", "placing"]

SECONDS = 600.0
KEPT_SECONDS = 24 * 3600  # OpenAI deletes by itself what a run that died left there


def opened(client: openai.AsyncOpenAI, faults: Faults) -> AbstractAsyncContextManager[Uploads]:
    """Open the uploads of a run."""

    async def put(name: str, media_type: str, data: bytes) -> str:
        purpose: Any = "vision" if media_type.startswith("image/") else "user_data"
        expiry: Any = {"anchor": "created_at", "seconds": KEPT_SECONDS}
        try:
            made = await client.files.create(file=(name, data, media_type), purpose=purpose, expires_after=expiry, timeout=SECONDS)
        except BROKEN as error:
            # Its traceback holds the request, and so the key.
            fault: BackendFault = faults.of(error, "")
        else:
            if isinstance(word := getattr(made, "id", None), str) and word:
                return word
            fault = faults.garbled("something that is no file")
        raise fault from None

    async def drop(word: str) -> None:
        try:
            await client.files.delete(word)
        except BROKEN as error:
            fault = faults.of(error, "")
        else:
            return
        raise fault from None

    return open_uploads(put, drop)


def placing(uploads: Uploads | None, least: int) -> Place:
    """Return a function that uploads what is large in a conversation; without uploads, nothing."""

    async def place(messages: Sequence[Message]) -> Mapping[Image | File, str]:
        return await uploads.of(messages, least, lambda media_type: not is_textual(media_type)) if uploads is not None else {}

    return place
