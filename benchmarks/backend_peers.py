"""What a model call costs in other frameworks, beside our backends: CPU for a call and for a streamed delta, as multiples of the HTTP library alone.

    python benchmarks/backend_peers.py [--keep FOLDER]

Peers are installed from the package index into an environment of their own, which is thrown away (or kept in FOLDER and used again). Each one runs
in a process of its own and makes its calls in turn with bare ones of httpx2, to the same server: what is compared is measured by one process.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import subprocess
import sys
import tempfile
import warnings
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, TypeAlias

sys.path.insert(0, str(Path(__file__).parent))
from frame import costs, serving

PACKAGES = ("attrs", "anyio", "httpx2", "openai", "anthropic", "google-genai", "litellm", "pydantic-ai-slim[openai,anthropic,google]")
CHAINS = ("langchain-openai", "langchain-anthropic", "langchain-google-genai")
CALLS, DELTAS, ROUNDS = 200, 1_000, 3
PATHS = {
    "chat": "/chat/completions",
    "openai": "/v1/responses",
    "anthropic": "/v1/messages",
    "gemini": "/v1beta/models/gemini-3.5-flash:streamGenerateContent?alt=sse",
}
MODELS = {"chat": "m", "openai": "m", "anthropic": "claude-opus-4-8", "gemini": "gemini-3.5-flash"}
Work: TypeAlias = Callable[[], Awaitable[None]]


async def _read(stream: Any) -> None:
    async for _ in stream:
        pass


@asynccontextmanager
async def bare(protocol: str, url: str) -> AsyncIterator[Work]:
    """Yield a call of httpx2 that reads bytes."""
    import httpx2  # noqa: PLC0415 - what is not measured is not imported

    body = json.dumps({"model": "m", "messages": [{"role": "user", "content": "Hi"}], "stream": True}).encode()
    address = f"{url}{PATHS[protocol]}"

    async def call() -> None:
        async with client.stream("POST", address, content=body, headers={"content-type": "application/json"}) as response:
            await _read(response.aiter_raw())

    async with httpx2.AsyncClient(verify=False) as client:
        yield call


@asynccontextmanager
async def massgen(protocol: str, url: str) -> AsyncIterator[Work]:
    """Yield a call of our backend."""
    from functools import partial  # noqa: PLC0415
    from importlib import import_module  # noqa: PLC0415

    from backends import _own  # noqa: PLC0415

    from massgen_testkit import PlainContext  # noqa: PLC0415

    backend = import_module(f"massgen_backend_{protocol}.backend")
    config = import_module(f"massgen_backend_{protocol}.plugin").massgen_backends()[0].config
    async with (
        PlainContext(folder=Path(tempfile.gettempdir()), secrets={"env:GEMINI_API_KEY": "k"}) as context,
        backend.open_backend(config(base_url=f"{url}/v1" if protocol == "openai" else url), context) as opened,
    ):
        yield partial(_own, opened, MODELS[protocol])


@asynccontextmanager
async def sdk(protocol: str, url: str) -> AsyncIterator[Work]:
    """Yield a call of the provider's own SDK; OpenAI's for `chat`."""
    if protocol != "chat":
        import backends  # noqa: PLC0415

        made = getattr(backends, f"_{protocol}")(f"{url}/v1" if protocol == "openai" else url, MODELS[protocol])
        async with made as work:
            yield work
        return
    from openai import AsyncOpenAI  # noqa: PLC0415

    async with AsyncOpenAI(base_url=url, api_key="none", max_retries=0) as client:

        async def call() -> None:
            await _read(await client.chat.completions.create(model="m", messages=[{"role": "user", "content": "Hi"}], stream=True))

        yield call


@asynccontextmanager
async def litellm(protocol: str, url: str) -> AsyncIterator[Work]:
    """Yield a call of LiteLLM."""
    import litellm as library  # noqa: PLC0415

    library.REPEATED_STREAMING_CHUNK_LIMIT = 10**9  # our server says the same word again and again

    async def call() -> None:
        if protocol == "openai":
            await _read(await library.aresponses(model="openai/m", input="Hi", stream=True, api_base=f"{url}/v1", api_key="k"))
            return
        asked: Any = [{"role": "user", "content": "Hi"}]
        model = f"{'openai' if protocol == 'chat' else protocol}/{MODELS[protocol]}"
        await _read(await library.acompletion(model=model, messages=asked, stream=True, api_base=url, api_key="k"))

    yield call


@asynccontextmanager
async def pydantic_ai(protocol: str, url: str) -> AsyncIterator[Work]:
    """Yield a direct request of a model of Pydantic AI."""
    from pydantic_ai.direct import model_request_stream  # noqa: PLC0415
    from pydantic_ai.messages import ModelRequest  # noqa: PLC0415

    model: Any
    if protocol in ("chat", "openai"):
        from pydantic_ai.models.openai import OpenAIChatModel, OpenAIResponsesModel  # noqa: PLC0415
        from pydantic_ai.providers.openai import OpenAIProvider  # noqa: PLC0415

        kind: Any = OpenAIChatModel if protocol == "chat" else OpenAIResponsesModel
        model = kind("m", provider=OpenAIProvider(base_url=f"{url}{'' if protocol == 'chat' else '/v1'}", api_key="k"))
    elif protocol == "anthropic":
        from pydantic_ai.models.anthropic import AnthropicModel  # noqa: PLC0415
        from pydantic_ai.providers.anthropic import AnthropicProvider  # noqa: PLC0415

        model = AnthropicModel(MODELS[protocol], provider=AnthropicProvider(base_url=url, api_key="k"))
    else:
        from pydantic_ai.models.google import GoogleModel  # noqa: PLC0415
        from pydantic_ai.providers.google import GoogleProvider  # noqa: PLC0415

        model = GoogleModel(MODELS[protocol], provider=GoogleProvider(base_url=url, api_key="k"))

    async def call() -> None:
        async with model_request_stream(model, [ModelRequest.user_text_prompt("Hi")]) as stream:
            await _read(stream)

    yield call


@asynccontextmanager
async def langchain(protocol: str, url: str) -> AsyncIterator[Work]:
    """Yield a call of LangChain's chat model."""
    model: Any
    if protocol in ("chat", "openai"):
        from langchain_openai import ChatOpenAI  # noqa: PLC0415

        is_new = protocol == "openai"
        model = ChatOpenAI(model="m", base_url=f"{url}{'/v1' if is_new else ''}", api_key="k", max_retries=0, use_responses_api=is_new)  # type: ignore[arg-type]
    elif protocol == "anthropic":
        from langchain_anthropic import ChatAnthropic  # noqa: PLC0415

        model = ChatAnthropic(model=MODELS[protocol], base_url=url, api_key="k", max_retries=0, max_tokens=1000)  # type: ignore[call-arg, arg-type]
    else:
        from langchain_google_genai import ChatGoogleGenerativeAI  # noqa: PLC0415

        model = ChatGoogleGenerativeAI(model=MODELS[protocol], base_url=url, google_api_key="k", max_retries=0)

    async def call() -> None:
        await _read(model.astream("Hi"))

    yield call


PEERS = {"massgen": massgen, "SDK": sdk, "litellm": litellm, "pydantic-ai": pydantic_ai, "langchain": langchain}


async def _worked(peer: str, protocol: str, port: int) -> None:
    works: list[list[Work]] = []
    async with AsyncExitStack() as stack:
        for size in ("one", "all"):
            url = f"http://127.0.0.1:{port}/{protocol}/{size}"
            works.append([await stack.enter_async_context(make(protocol, url)) for make in (bare, PEERS[peer])])
        alone, own = await costs(*works, CALLS, DELTAS)
    print(json.dumps([alone.call, own.call, alone.delta, own.delta]))


def _environment(folder: Path) -> dict[str, Path]:
    """Install the peers; return the Python of each: LangChain's in an environment of its own, as it wants other versions."""
    uv, found = shutil.which("uv", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}"), {}
    for name, packages in (("peers", PACKAGES), ("chains", (*PACKAGES[:3], *CHAINS))):
        python = found[name] = folder / name / "bin" / "python"
        if python.exists():
            continue
        made = [uv, "venv", "-q", "--python", sys.executable] if uv else [sys.executable, "-m", "venv"]
        subprocess.run([*made, str(folder / name)], check=True)
        install = [uv, "pip", "install", "-q", "--python", str(python)] if uv else [str(python), "-m", "pip", "install", "-q"]
        subprocess.run([*install, *packages], check=True)
    return found


def _measured(python: Path, peer: str, protocol: str, port: int) -> list[float] | None:
    """Return what a process of its own measured; None where the peer does not do this."""
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LANGSMITH_TRACING": "false"}
    command = [str(python), "-W", "ignore", __file__, "--worker", peer, protocol, str(port)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, env=environment, check=False)
    if done.returncode:
        print(f"{peer} {protocol}: {(done.stderr.strip().splitlines() or ['nothing said'])[-1]}", file=sys.stderr)
        return None
    return list(json.loads(done.stdout.splitlines()[-1]))


def _compare(folder: Path) -> None:
    from backends import _stages  # noqa: PLC0415

    pythons = _environment(folder)
    answers = {name: stage.answer for name, stage in _stages().items()}
    print(
        f"{platform.machine()}, {os.cpu_count()} CPUs, Python {platform.python_version()}; {ROUNDS} processes each, {CALLS} calls, {DELTAS} deltas\n"
    )
    print("| framework | " + " | ".join(f"{name}: call | delta" for name in answers) + " |")
    print("| --- |" + " ---: |" * (2 * len(answers)))
    with serving(answers, DELTAS) as port:
        for peer in PEERS:
            python = Path(sys.executable) if peer in ("massgen", "SDK") else pythons["chains" if peer == "langchain" else "peers"]
            cells = []
            for protocol in answers:
                rounds = [found for _ in range(ROUNDS) if (found := _measured(python, peer, protocol, port))]
                best = sorted(((own / alone, more / less) for alone, own, less, more in rounds))[len(rounds) // 2] if rounds else None
                cells.append(f"{best[0]:.1f} | {best[1]:.1f}" if best else "- | -")
            print(f"| {peer} | " + " | ".join(cells) + " |", flush=True)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--keep", type=Path, help="keep the environments of the peers here")
    parser.add_argument("--worker", nargs=3, metavar=("PEER", "PROTOCOL", "PORT"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.worker:
        import anyio  # noqa: PLC0415

        warnings.simplefilter("ignore")
        peer, protocol, port = arguments.worker
        anyio.run(_worked, peer, protocol, int(port))
        return 0
    if arguments.keep:
        arguments.keep.mkdir(parents=True, exist_ok=True)
        _compare(arguments.keep.resolve())
        return 0
    with tempfile.TemporaryDirectory() as folder:
        _compare(Path(folder))
    return 0


if __name__ == "__main__":
    sys.exit(main())
