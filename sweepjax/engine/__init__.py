"""From a chunk to its columns: the kernel of one row, its programs, and the devices that run them."""
