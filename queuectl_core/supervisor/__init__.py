"""The process that owns a home: its loop, its workers, its clients, how it starts."""
