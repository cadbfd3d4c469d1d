"""Typed models, one module per aggregate; no queries, no effects."""
