"""Reading vendors' JSON: an answer of the wrong shape is a fault of the vendor's, with the path that is wrong.

The shape is judged inside the transport (``CallSpec.fault_of``), so that a malformed answer is neither cached nor entered in
the ledger as good, and is asked for again where that is safe.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import httpx

from leadfactory.d00_gateway.errors import VendorError, VendorUnavailable
from leadfactory.d00_gateway.meanings import fault_of_status

Kind = TypeVar("Kind")
Shape = type | tuple[type, ...] | Mapping[str, "Shape"] | list["Shape"]
"""A type, several of them, an object's optional fields by name, or a list whose items have the one shape inside it."""
Fields = Mapping[str, Shape]
FaultOf = Callable[[httpx.Response], VendorError | None]
NUMBER = (int, float)


def body(response: httpx.Response) -> Any:
    """The decoded JSON of an answer; None when it has none."""
    return response.extensions.get("json")


class Reader:
    """Reads the answers of one vendor's endpoint; what does not fit raises VendorUnavailable(malformed_answer)."""

    def __init__(self, vendor: str, endpoint: str, status: int | None = None) -> None:
        self.vendor, self.endpoint, self.status = vendor, endpoint, status

    def malformed(self, detail: str) -> VendorUnavailable:
        """The error for an answer that does not fit; ``detail`` names the path, never the value."""
        return VendorUnavailable(self.vendor, self.endpoint, "malformed_answer", status=self.status, detail=detail)

    def expect(self, value: Any, kind: type[Kind], path: str) -> Kind:
        """``value`` if it is a ``kind``; a bool is no number."""
        if not isinstance(value, kind) or (kind is not bool and isinstance(value, bool)):
            raise self.malformed(f"{path} is {type(value).__name__}, not {kind.__name__}")
        return value

    def fields(self, value: Any, path: str, *, required: Fields, optional: Fields) -> dict[str, Any]:
        """``value`` if it is an object whose fields have these kinds; optional ones may be absent or null."""
        record = self.expect(value, dict, path)
        for name, kind in {**required, **optional}.items():
            found = record.get(name)
            if found is None and name in optional:
                continue
            self.fit(found, kind, f"{path}.{name}")
        return record

    def fit(self, value: Any, shape: Shape, path: str) -> None:
        """Nothing, if ``value`` has ``shape``; fields of inner objects may be absent or null, items of lists may not."""
        if isinstance(shape, Mapping):
            self.fields(value, path, required={}, optional=shape)
        elif isinstance(shape, list):
            for position, item in enumerate(self.expect(value, list, path)):
                self.fit(item, shape[0], f"{path}[{position}]")
        else:
            kinds = shape if isinstance(shape, tuple) else (shape,)
            if not isinstance(value, kinds) or (isinstance(value, bool) and bool not in kinds):
                wanted = " or ".join(each.__name__ for each in kinds)
                raise self.malformed(f"{path} is {type(value).__name__}, not {wanted}")


def has_location(response: httpx.Response) -> bool:
    """Whether an answer redirects to what can be read as a URL; httpx raises over any other Location."""
    try:
        return response.has_redirect_location and bool(httpx.URL(response.headers["location"]))
    except (httpx.InvalidURL, ValueError):
        return False


def any_body(reader: Reader, answer: Any) -> None:
    """A check that takes every 2xx answer."""


def judged(vendor: str, endpoint: str, check: Callable[[Reader, Any], None], *, moves: bool = False) -> FaultOf:
    """A ``fault_of``: errors by status, and 2xx answers whose body ``check`` refuses by raising a VendorError.

    Any other status is malformed, but for a redirect with a readable Location where the endpoint ``moves`` things.
    """

    def fault_of(response: httpx.Response) -> VendorError | None:
        error = fault_of_status(vendor, endpoint, response)
        if error is not None:
            return error
        reader = Reader(vendor, endpoint, response.status_code)
        if not response.is_success:
            return None if moves and has_location(response) else reader.malformed("neither success nor error")
        try:
            check(reader, body(response))
        except VendorError as refused:
            return refused
        return None

    return fault_of
