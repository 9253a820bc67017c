"""What a connector in another distribution imports: types, errors, protocols, configuration. No I/O."""
