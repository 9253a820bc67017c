"""What a genuine call says: its body as JSON, and by what name it is known when it is made again."""

from __future__ import annotations

import hashlib
import json
from typing import Any
from urllib.parse import parse_qsl

from connector_pipelines.core.webhooks import DeliveryId
from connector_pipelines.gateway.calls import Call, Refusal

__all__ = ["check_depth", "delivery_id_of", "payload_of"]

DEEPEST = 64
MOST_FIELDS = 1000
LONGEST_ID = 200

_FORM = "application/x-www-form-urlencoded"


def payload_of(content_type: str, body: bytes) -> Any:
    """JSON as it is, the fields of a form as an object, other text as text, and nothing as None.

    Raises:
        Refusal: It is not what it says, or not text at all.
    """
    if not body.strip():
        return None
    media_type = content_type.partition(";")[0].strip().lower()
    try:
        text = body.decode("utf-8-sig")
        found = _fields(text) if media_type == _FORM else json.loads(text, parse_constant=_no_json)
    except (ValueError, RecursionError) as error:
        # Some say text and send JSON; who says JSON and sends something else is cut off, or lies.
        if isinstance(error, UnicodeError | RecursionError) or media_type in {"", _FORM} or _is_json(media_type):
            raise Refusal("malformed") from error
        return text
    check_depth(found)
    return found


def check_depth(payload: Any) -> None:
    """Raises `Refusal` where the payload is nested deeper than anybody means."""
    level = [payload]
    for _ in range(DEEPEST):
        level = [inner for one in level if isinstance(one, dict | list) for inner in (one.values() if isinstance(one, dict) else one)]
        if not level:
            return
    raise Refusal("malformed")


def delivery_id_of(settings: DeliveryId | None, call: Call, payload: Any, timestamp: str | None) -> tuple[str, bool]:
    """The call's name, and whether another call of that name is the same delivery.

    Where its sender names it, or signed when it was made, it is. Else two calls may say the same and mean two changes.
    """
    if settings is not None and (given := _named(settings, call, payload)):
        long = len(given) > LONGEST_ID
        return (f"sha256:{hashlib.sha256(given.encode(errors='replace')).hexdigest()}" if long else given), True
    said = hashlib.sha256((timestamp or "").encode("latin-1", errors="replace") + b"\0" + call.query.encode() + b"\0" + call.body)
    return f"body:{said.hexdigest()}", timestamp is not None


def _named(settings: DeliveryId, call: Call, payload: Any) -> str | None:
    if settings.header is not None:
        return call.header(settings.header)
    found = payload
    for name in (settings.path or "").split("."):
        found = found.get(name) if isinstance(found, dict) else None
    return str(found) if isinstance(found, str | int) and not isinstance(found, bool) else None


def _fields(text: str) -> dict[str, str | list[str]]:
    fields: dict[str, list[str]] = {}
    for name, value in parse_qsl(text, keep_blank_values=True, max_num_fields=MOST_FIELDS):
        fields.setdefault(name, []).append(value)
    return {name: values[0] if len(values) == 1 else values for name, values in fields.items()}


def _is_json(media_type: str) -> bool:
    return media_type in {"application/json", "text/json"} or media_type.endswith("+json")


def _no_json(name: str) -> Any:
    raise ValueError(f"{name} is no JSON")
