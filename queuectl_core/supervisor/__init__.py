"""The process that owns a home: its start, its loop, its workers, and its clients."""
