"""Runs as a folder that a repository or a data hub takes as it is: rows, a card, metadata, checksums."""
