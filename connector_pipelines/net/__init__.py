"""Talking to what we do not own: connections, their limits, and their errors in our five classes."""
