"""Pure rules: facts and ``now`` in, a decision out. No Flask, no database, no clock, no I/O."""
