"""What keeps the state that all processes of an installation share must offer to `net.limits`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass
from typing import Protocol

from connector_pipelines.net.limits.buckets import Bucket
from connector_pipelines.net.limits.circuits import Circuit

__all__ = ["Seen", "SharedState"]


@dataclass(frozen=True, slots=True)
class Seen:
    """The state as it was at `now` or a little later, in seconds of the shared clock. What has no row is left out."""

    now: float
    buckets: Mapping[str, Bucket]
    circuits: Mapping[str, Circuit]


class SharedState(Protocol):
    """Keeps buckets and circuits, and the one clock they go by. Used by several threads at once.

    Every method raises `Unavailable` within a few seconds where it is away, and `ConfigurationError` or `Unauthenticated` where we
    are not let in.
    """

    def look(self, buckets: Collection[str], circuits: Collection[str]) -> Seen: ...

    def change_bucket(self, name: str, change: Callable[[Bucket, float], Bucket]) -> Bucket:
        """Store what `change` makes of the bucket at an instant of the shared clock, alone with it; what is stored then.

        `change` may be called again where somebody else was faster. The bucket itself as its answer changes nothing.
        """
        ...

    def change_circuit(self, name: str, change: Callable[[Circuit, float], Circuit]) -> Circuit: ...

    def listen(
        self, heard: Callable[[str, Bucket | Circuit | None], None], *, ready: Callable[[], None], wanted: Callable[[], bool]
    ) -> None:
        """Tell of what others change, until it is not `wanted` any more, which is asked about once a second.

        Args:
            heard: Called with the name; with None where what changed is not told, and it has to be looked at.
            ready: Called when nothing is missed from then on.
        """
        ...

    def close(self) -> None:
        """Let go of connections. May be called twice."""
        ...
