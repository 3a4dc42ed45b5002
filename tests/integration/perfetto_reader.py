"""Asks Perfetto's trace processor about a trace: `python perfetto_reader.py NODE FOLDER TRACE QUERY...` prints the rows of each query as JSON.

It is run by the interpreter of an environment with the package `perfetto`, which knows how to speak to the processor.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

ENGINE = Path(__file__).with_name("perfetto_engine.cjs")


def main(node: str, folder: str, trace: str, *queries: str) -> None:
    from google.protobuf import message_factory  # noqa: PLC0415
    from perfetto.common.query_result_iterator import QueryResultIterator  # noqa: PLC0415
    from perfetto.trace_processor.platform import PlatformDelegate  # noqa: PLC0415
    from perfetto.trace_processor.protos import ProtoFactory  # noqa: PLC0415

    pool: Any = ProtoFactory(PlatformDelegate()).descriptor_pool
    kinds = [pool.FindMessageTypeByName(f"perfetto.protos.{name}") for name in ("TraceProcessorRpcStream", "TraceProcessorRpc")]
    stream, rpc = map(message_factory.GetMessageClass, kinds)
    asked = stream()
    asked.msg.add(seq=1, request=rpc.TPM_APPEND_TRACE_DATA, append_trace_data=Path(trace).read_bytes())
    asked.msg.add(seq=2, request=rpc.TPM_FINALIZE_TRACE_DATA)
    for number, query in enumerate(queries, 3):
        asked.msg.add(seq=number, request=rpc.TPM_QUERY_STREAMING).query_args.sql_query = query
    done = subprocess.run([node, str(ENGINE), folder], input=asked.SerializeToString(), capture_output=True, timeout=120, check=False)
    if done.returncode:
        raise SystemExit(done.stderr.decode("utf-8", "replace")[-2000:])
    answered = stream()
    answered.ParseFromString(done.stdout)
    names: list[str] = []
    batches: list[Any] = []
    rows: list[list[list[Any]]] = []
    for message in answered.msg:
        if message.HasField("append_result") and message.append_result.error:
            raise SystemExit(message.append_result.error)
        if not message.HasField("query_result"):
            continue
        result = message.query_result
        if result.error:
            raise SystemExit(result.error)
        names = list(result.column_names) or names
        batches += result.batch
        if batches and batches[-1].is_last_batch:
            rows.append([[getattr(row, name) for name in names] for row in QueryResultIterator(names, batches)])
            batches = []
    print(json.dumps(rows))


if __name__ == "__main__":
    main(*sys.argv[1:])
