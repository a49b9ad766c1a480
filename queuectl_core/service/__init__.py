"""Engine, journal and store joined; the answer to every request."""
