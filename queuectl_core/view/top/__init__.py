"""The screen of `top`: what it shows and how that changes, as lines of styled text, without a terminal."""
