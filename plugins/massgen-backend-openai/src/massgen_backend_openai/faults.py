"""In what OpenAI's errors differ from others."""

from __future__ import annotations

import httpx2
import msgspec
import openai

from massgen_core.api import FaultRules

__all__ = ["BROKEN", "RULES"]

# All that reading a stream can raise: the SDK's own errors, those of the library below it, and bytes that are no JSON.
BROKEN = (openai.OpenAIError, httpx2.HTTPError, httpx2.StreamError, msgspec.MsgspecError, UnicodeDecodeError)
RULES = FaultRules(
    words=(("invalid", 400), ("policy", 400), ("image", 400), ("not_found", 400), ("mismatch", 400)),
    lists="massgen models openai --remote asks the server for its list",
    address="Is the address right, and does this server speak the Responses API?",
    hints=(("previous_response", "The option `chain` needs answers that OpenAI still has; without it the whole conversation is sent."),),
)
