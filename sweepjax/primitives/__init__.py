"""Numerics that every kernel shares."""
