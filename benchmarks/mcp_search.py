"""How well, and how quickly, tools of MCP servers are found by what they do.

    python benchmarks/mcp_search.py [FOLDER]

FOLDER holds files of real servers, each with `server` and `tools`. The wishes are those of the tests; a wish is met where one of its tools is among
the first five. "In a conversation" compares what agents are shown: all definitions, or the two tools that find and call them and one search.
"""

from __future__ import annotations

import json
import os
import re
import statistics
import sys
import time
from pathlib import Path

from massgen_mcp_client.names import model_name
from massgen_mcp_client.schemas import listing, to_tool
from massgen_mcp_client.search import CALL, SEARCH, Index, shown

ROOT = Path(__file__).resolve().parent.parent
SHARED = Path(os.environ.get("MASSGEN_SHARED", ROOT.parent / "shared"))
WISHES = ROOT / "plugins/massgen-mcp-client/tests/pure/search_queries.txt"


def main() -> int:
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else SHARED / "data" / "mcp-tools"
    known, tools = {}, []
    for file in sorted(folder.glob("*.json")):
        data = json.loads(file.read_text(encoding="utf-8"))
        server = re.sub(r"^(?:npm|pypi)\.", "", data["server"]).replace(".", "-")
        for raw in listing(data["tools"]).tools:
            tool = to_tool(raw, name=model_name(server, raw["name"]), server=server)
            known[tool.name] = (server, raw["name"])
            tools.append(tool)
    if not tools:
        print(f"{folder} holds no tools of servers")
        return 2
    began = time.process_time()
    index = Index(tools)
    built = time.process_time() - began
    ranks, times, sizes = [], [], []
    for line in WISHES.read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        wish, _, answers = line.partition(" = ")
        wanted = [tuple(answer.strip().split(":")) for answer in answers.split(",")]
        began = time.process_time()
        found = index.search(wish, 20)
        times.append(time.process_time() - began)
        sizes.append(len(shown(found[:5], total=len(index))))
        hits = (
            rank for rank, tool in enumerate(found, 1) if any(known[tool.name][0].endswith(end) and known[tool.name][1] == own for end, own in wanted)
        )
        ranks.append(next(hits, 999))
    whole = sum(len(json.dumps({"name": tool.name, "description": tool.description, "parameters": tool.parameters})) for tool in tools)
    few = sum(len(json.dumps({"name": tool.name, "description": tool.description, "parameters": tool.parameters})) for tool in (SEARCH, CALL))
    print(f"{len(tools)} tools, {len(ranks)} wishes")
    for limit in (1, 3, 5, 10):
        print(f"met by the first {limit:>2}: {sum(rank <= limit for rank in ranks) / len(ranks):6.1%}")
    print(f"indexing: {built * 1000:.0f} ms CPU; a search: {statistics.median(times) * 1000:.1f} ms CPU, at most {max(times) * 1000:.1f}")
    print(f"in a conversation: {few + statistics.median(sizes):.0f} characters in place of {whole}: 1/{whole / (few + statistics.median(sizes)):.0f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
