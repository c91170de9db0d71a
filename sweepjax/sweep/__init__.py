"""What is asked for: axes of fields, recorded times, and the sweep that they span."""
