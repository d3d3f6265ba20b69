"""The retail language: frozen types that every connector translates from and to. No I/O."""
