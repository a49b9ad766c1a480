"""What a person sees of a home: records in, a view out, which terminals and pages paint."""
