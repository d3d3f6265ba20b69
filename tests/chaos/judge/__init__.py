"""The judge: a program apart that reads the systems' ledgers and the hub's public API, and shares no code with the hub."""
