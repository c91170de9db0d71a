"""The parts of solver `limit`."""
