"""The benchmarks: call `run.py`; each other module is a measure or a part of measures."""
