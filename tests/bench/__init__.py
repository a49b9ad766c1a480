"""The benchmarks: `run.py` is what to call; each other module is a measure, or what measures are made of."""
