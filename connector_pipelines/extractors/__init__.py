"""One module = one family of formats, exported as ``Extractor``; a leading underscore marks a helper."""
