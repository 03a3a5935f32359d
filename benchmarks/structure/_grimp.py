"""Run by the oracle's own interpreter: the modules that grimp finds and the imports between them, as JSON.

python _grimp.py FOLDER PACKAGE...
"""

from __future__ import annotations

import json
import sys

import grimp

sys.path.insert(0, sys.argv[1])
graph = grimp.build_graph(*sys.argv[2:], cache_dir=None)
imports = [
    (source, target)
    for source in sorted(graph.modules)
    for target in sorted(graph.find_modules_directly_imported_by(source))
]
json.dump({"modules": sorted(graph.modules), "imports": imports}, sys.stdout)
