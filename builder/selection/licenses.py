"""Whether an SPDX expression allows use under a list of licences."""

from __future__ import annotations

from collections.abc import Iterable
from functools import cache
from typing import TYPE_CHECKING, Any

from builder.errors import UserError

if TYPE_CHECKING:
    from license_expression import Licensing

ANY, PERMISSIVE = "any", "permissive"
# The categories that ScanCode's licence database gives to licences without copyleft or other strings.
_CATEGORIES = {"Permissive", "Public Domain"}


class Allowed:
    """Licences that are allowed, by SPDX id; ``permissive`` among them stands for all of that kind."""

    def __init__(self, names: Iterable[str]) -> None:
        self._ids: set[str] = set()
        for name in names:
            if name == PERMISSIVE:
                self._ids |= _permissive()
            elif known := _known().get(name.lower()):
                self._ids.add(known)
            else:
                raise UserError(
                    f"licenses: {name!r} is no SPDX licence id; write one (MIT, Apache-2.0, …), "
                    f"{PERMISSIVE!r} or {ANY!r}"
                )

    def permits(self, expression: str) -> bool:
        """Whether ``expression`` can be met: one side of each OR, both of each AND.

        An exception only adds to what a licence permits. What cannot be read is not permitted.
        """
        from license_expression import ExpressionError

        try:
            parsed = _licensing().parse(expression)
        except ExpressionError:
            return False
        return parsed is not None and self._met(parsed)

    def _met(self, node: Any) -> bool:
        match type(node).__name__:
            case "OR":
                return any(map(self._met, node.args))
            case "AND":
                return all(map(self._met, node.args))
            case "LicenseWithExceptionSymbol":
                return self._met(node.license_symbol)
            case _:
                return str(node.key).removesuffix("+") in self._ids


@cache
def _licensing() -> Licensing:
    from license_expression import get_spdx_licensing

    return get_spdx_licensing()


@cache
def _known() -> dict[str, str]:
    from license_expression import get_license_index

    return {
        name.lower(): entry["spdx_license_key"]
        for entry in get_license_index()
        if entry.get("spdx_license_key")
        for name in (entry["spdx_license_key"], *entry.get("other_spdx_license_keys", ()))
    }


@cache
def _permissive() -> frozenset[str]:
    from license_expression import get_license_index

    return frozenset(
        entry["spdx_license_key"]
        for entry in get_license_index()
        if entry.get("category") in _CATEGORIES
        and entry.get("spdx_license_key")
        and not entry["is_exception"]
    )
