"""The parts of the conformance suite of executors, a module each."""
