"""What the fakes that speak HTTP share."""

__all__: list[str] = []
