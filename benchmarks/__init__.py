"""Measurements on real servers: `make bench`, `make torture`."""
