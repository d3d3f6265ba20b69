"""Crossdock keeps a retailer's systems in step: facts in, promises out, each kept once."""

__version__ = "0.1.0"
