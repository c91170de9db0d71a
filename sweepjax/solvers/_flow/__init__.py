"""The parts of solver `gradient_flow`."""
