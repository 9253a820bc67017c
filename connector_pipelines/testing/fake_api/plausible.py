"""Records as a company might have them, the same every time."""

from __future__ import annotations

from typing import Any, Final

__all__ = ["plausible"]

_FIRST: Final = ("Ada", "Bram", "Chiara", "Dov", "Elif", "Femi", "Grete", "Hana", "Ilir", "Jun", "Kaja", "Luz", "Mina")
_LAST: Final = ("Abate", "Berg", "Castro", "Dahl", "Eze", "Fontaine", "Gupta", "Haas", "Ivanova", "Jansen", "Kaya")
_TRADES: Final = ("piling", "formwork", "glazing", "drainage", "scaffolding", "surveying", "roofing")
_STATES: Final = ("lead", "offered", "won", "lost", None)


def plausible(n: int) -> dict[str, Any]:
    """Record number `n`: about 400 bytes of text, numbers, nothing, an object and a list."""
    first, last, trade = _FIRST[n % len(_FIRST)], _LAST[n % len(_LAST)], _TRADES[n % len(_TRADES)]
    return {
        "name": f"{first} {last} {n}",
        "email": f"{first}.{last}.{n}@example.com".lower(),
        "trade": trade,
        "state": _STATES[n % len(_STATES)],
        "amount": round((n * 37 % 100_000) / 100, 2),
        "visits": n % 17,
        "is_partner": n % 3 == 0,
        "address": {"street": f"{n % 300 + 1} Quay Road", "city": "Rotterdam" if n % 2 else "Porto", "postcode": f"{n % 90_000 + 10_000}"},
        "tags": [trade, f"region-{n % 12}"],
        "note": f"Asked about {trade} for lot {n % 4000}; call again when the drawings of section {n % 23} are out.",
    }
