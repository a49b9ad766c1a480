"""What a job, an event, a command and a setting are; text to and from them."""
