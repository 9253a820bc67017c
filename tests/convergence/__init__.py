"""Edits, faults and kills at random: what is held in the end equals the source. `python -m tests.convergence` runs it in full."""
