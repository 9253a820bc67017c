"""How much may come out of a packed file? Counted while it comes out: what its directory says may be a lie."""

from __future__ import annotations

from dataclasses import dataclass

from connector_pipelines.core.errors import ResourceError
from connector_pipelines.extractors._bounds import size_text

__all__ = ["Unpacked"]

_MOST_RATIO = 250  # deflate reaches 1,032; sheets of a spreadsheet reach 100
_RATIO_FROM = 32 * 1024 * 1024


@dataclass(slots=True)
class Unpacked:
    """The bytes that came out of `packed` bytes so far; at most `most` may."""

    packed: int
    most: int
    real: int = 0

    def take(self, size: int) -> None:
        """Count `size` bytes more.

        Raises:
            ResourceError: They are more than may come out, or than `packed` bytes of honest data give.
        """
        self.real += size
        self.check(self.real)

    def check(self, size: int) -> None:
        """Refuse `size` bytes in all, counted or declared, as `take` does."""
        if size > self.most:
            limit = f"unpacked={size_text(self.most)}"
            raise ResourceError(
                f"unpacks to more than {size_text(self.most)}", limit=limit, advice="raise max_unpacked_bytes of the endpoint"
            )
        if size > _RATIO_FROM and size > self.packed * _MOST_RATIO:
            raise ResourceError(f"unpacks {size_text(self.packed)} to {size_text(size)}", limit=f"ratio={_MOST_RATIO}")
