"""Parts of `tests/load/compare`: Python's standard library and Linux's /proc, nothing else."""
