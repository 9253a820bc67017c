"""One module = one kind of sink, exported as ``Sink``; a leading underscore marks a helper."""
