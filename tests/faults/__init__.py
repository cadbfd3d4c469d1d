"""Tests that break several things at once, for a while."""
