"""The planner held against the best plan there is, found by a solver that knows the future."""
