"""What the Hub calls a licence. Its ids are SPDX's in lower case, as far as its list goes."""

from __future__ import annotations

import re
from collections.abc import Iterable

# https://huggingface.co/docs/hub/repositories-licenses, without the licences of models and without the ids
# of whole families, which say less than the licence that is known.
IDS = {
    "afl-3.0", "agpl-3.0", "apache-2.0", "artistic-2.0", "bsd-2-clause", "bsd-3-clause",
    "bsd-3-clause-clear", "bsl-1.0", "c-uda", "cc0-1.0", "cc-by-2.0", "cc-by-2.5", "cc-by-3.0", "cc-by-4.0",
    "cc-by-nc-2.0", "cc-by-nc-3.0", "cc-by-nc-4.0", "cc-by-nc-nd-3.0", "cc-by-nc-nd-4.0", "cc-by-nc-sa-2.0",
    "cc-by-nc-sa-3.0", "cc-by-nc-sa-4.0", "cc-by-nd-4.0", "cc-by-sa-3.0", "cc-by-sa-4.0",
    "cdla-permissive-1.0", "cdla-permissive-2.0", "cdla-sharing-1.0", "ecl-2.0", "epl-1.0", "epl-2.0",
    "etalab-2.0", "eupl-1.1", "gpl-2.0", "gpl-3.0", "isc", "lgpl-2.1", "lgpl-3.0", "lppl-1.3c", "mit",
    "mpl-2.0", "ms-pl", "ncsa", "ofl-1.1", "osl-3.0", "postgresql", "unlicense", "wtfpl", "zlib",
}  # fmt: skip
_SUFFIX = re.compile(r"-(?:only|or-later)$|(?<=\d)\+$")  # SPDX's; the Hub has one id for both
_BETWEEN = re.compile(r"\s+(?:and|or)\s+|[()]")


def hub_ids(expressions: Iterable[str]) -> list[str] | None:
    """The Hub's ids of SPDX ``expressions``, sorted; None where one of them has none."""
    found = set()
    for expression in expressions:
        for part in filter(None, map(str.strip, _BETWEEN.split(f" {expression.lower()} "))):
            name = _SUFFIX.sub("", part)
            if name not in IDS:
                return None
            found.add(name)
    return sorted(found) or None
