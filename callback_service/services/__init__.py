"""Use cases: ``f(session, ..., *, now)``. They flush and never commit."""
