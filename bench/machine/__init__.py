"""Ceilings of this machine, the host, the environment."""
