"""One module = one kind of source, exported as ``Source``; a leading underscore marks a helper."""
