"""`queuectl top`: reads what the screen shows, and does what the keys say."""
