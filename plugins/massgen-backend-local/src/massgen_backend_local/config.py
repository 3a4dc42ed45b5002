"""The options of `local`."""

from __future__ import annotations

from typing import Any

import attrs
from attrs import validators

__all__ = ["LocalConfig"]


def _help(text: str, **field: Any) -> Any:
    return attrs.field(metadata={"help": text}, **field)


@attrs.frozen(kw_only=True)
class LocalConfig:
    """How a model runs on this machine. Agents whose options are equal share one loaded model."""

    threads: int = _help("threads that compute; more than one helps only where that many cores are idle", default=1, validator=validators.ge(1))
    context: int = _help("tokens that one call may hold, question and answer; 1,024 cost 29 MB of memory", default=4096, validator=validators.ge(256))
    max_tokens: int = _help("tokens of an answer, where the agent's sampling names no number", default=512, validator=validators.ge(1))
    queue: int = _help("calls that may wait for the model; further ones fail as overloaded", default=64, validator=validators.ge(1))
    batch: int = _help(
        "tokens of a question that are read between two looks at whether the call was cancelled; 512 reads up to a third faster",
        default=32,
        validator=validators.in_(range(1, 2049)),
    )
    models_folder: str = _help("folder of pulled models; empty: MASSGEN_MODELS, else massgen/models in the user's cache", default="")
