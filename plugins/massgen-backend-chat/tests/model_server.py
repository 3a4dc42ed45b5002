"""Serve a model on the loopback until standard input closes: `python model_server.py FILE KEY`; the first line of output is the address."""

from __future__ import annotations

import sys

import xllamacpp


def main() -> None:
    parameters = xllamacpp.CommonParams()
    parameters.model.path = sys.argv[1]
    parameters.n_parallel, parameters.n_ctx, parameters.port = 2, 1024, 0
    for cpu in (parameters.cpuparams, parameters.cpuparams_batch):
        cpu.n_threads, cpu.poll = 1, 0
    parameters.warmup, parameters.verbosity, parameters.api_keys = False, -1, [sys.argv[2]]
    server = xllamacpp.Server(parameters)
    print(server.listening_address, flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main()
