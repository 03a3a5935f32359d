"""Where the files of a dependency graph stand on the page: layers from left to right, few crossings.

What a file needs stands on its left. Nothing here is random: the same graph is drawn the same way.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

_HEIGHT, _BEND = 26, 2  # of a box and of a bend, in px
_LEAST_GAP, _LEAST_BEND_GAP, _LAYER_GAP = 8, 2, 64  # below a box, below a bend, between layers; in px
_CHARACTER = 7.3  # width of one character of a label, in px
_LONGEST_LABEL = 28
_SWEEPS = 8
_MAX_BENDS = 3000  # beyond, long edges run straight
_MAX_NODES, _MAX_EDGES = 1200, 4000


@dataclass(frozen=True)
class Node:
    """A file: the box's corner and size in px, and the label on it."""

    path: str
    label: str
    x: float
    y: float
    width: float
    height: float = _HEIGHT


@dataclass(frozen=True)
class Edge:
    """``source`` needs ``target`` (indices of nodes); ``curve`` is the path data of an SVG.

    ``against`` tells an edge to a file that is written later: one of a cycle. The curve runs from the left,
    so that it begins at ``target`` unless ``onward``.
    """

    source: int
    target: int
    kind: str
    curve: str
    against: bool
    onward: bool


@dataclass(frozen=True)
class Drawing:
    """A graph laid out. ``num_left_out`` edges found no room in it."""

    nodes: tuple[Node, ...] = ()
    edges: tuple[Edge, ...] = ()
    width: float = 0
    height: float = 0
    num_left_out: int = 0


@dataclass(eq=False)
class _Place:
    """A box, or the bend of a long edge, within a layer."""

    width: float
    height: float
    y: float = 0
    before: list[_Place] = field(default_factory=list)  # neighbours one layer to the left
    after: list[_Place] = field(default_factory=list)


def draw(order: Sequence[str], dependencies: Iterable[Mapping[str, str]]) -> Drawing:
    """Lay out the files that depend on one another; ``order`` is that of writing.

    Layers are those of the longest path, of bounded height; long edges bend where they cross a layer, and
    layers are sorted by the mean place of neighbours (Sugiyama, Tagawa and Toda 1981).
    """
    rank = {path: number for number, path in enumerate(order)}
    wanted = sorted(
        {
            (edge["source"], edge["target"], edge["kind"])
            for edge in dependencies
            if edge["source"] in rank and edge["target"] in rank and edge["source"] != edge["target"]
        },
        key=lambda edge: (rank[edge[0]], rank[edge[1]], edge[2]),
    )
    paths = sorted({path for edge in wanted for path in edge[:2]}, key=rank.__getitem__)[:_MAX_NODES]
    shown = set(paths)
    kept = [edge for edge in wanted if edge[0] in shown and edge[1] in shown][:_MAX_EDGES]
    if not kept:
        return Drawing(num_left_out=len(wanted))

    layer_of = _layers(paths, rank, kept)
    labels = _labels(paths)
    places = {path: _Place(26 + _CHARACTER * len(labels[path]), _HEIGHT) for path in paths}
    layers: list[list[_Place]] = [[] for _ in range(max(layer_of.values()) + 1)]
    for path in paths:
        layers[layer_of[path]].append(places[path])
    chains = _chains(kept, places, layer_of, layers)
    _arrange(layers)

    widths = [max(place.width for place in layer) for layer in layers]
    left = [8 + sum(widths[:number]) + _LAYER_GAP * number for number in range(len(layers))]
    corner = {place: left[number] for number, layer in enumerate(layers) for place in layer}
    for number, layer in enumerate(layers):
        for place in layer:
            if place.height < _HEIGHT:  # a bend is as wide as its layer, so that edges pass level
                place.width = widths[number]
    index = {path: number for number, path in enumerate(paths)}
    edges = [
        Edge(
            index[source],
            index[target],
            kind,
            _curve(chain, corner),
            against=rank[source] < rank[target],
            onward=chain[0] is places[source],
        )
        for (source, target, kind), chain in zip(kept, chains, strict=True)
    ]
    nodes = [
        Node(path, labels[path], corner[places[path]], round(places[path].y, 1), round(places[path].width, 1))
        for path in paths
    ]
    bottom = max(place.y + place.height for layer in layers for place in layer)
    return Drawing(
        tuple(nodes), tuple(edges), left[-1] + widths[-1] + 8, round(bottom + 8, 1), len(wanted) - len(kept)
    )


def _layers(
    paths: Sequence[str], rank: Mapping[str, int], edges: Sequence[tuple[str, str, str]]
) -> dict[str, int]:
    """Each file right of all it needs; a layer that is full passes the next file on to its right."""
    room = max(8, math.ceil(math.sqrt(4.3 * len(paths))))  # about as wide as a screen
    needs: dict[str, list[str]] = {}
    for source, target, _ in edges:
        if rank[target] < rank[source]:
            needs.setdefault(source, []).append(target)
    layer_of: dict[str, int] = {}
    taken: dict[int, int] = {}
    for path in paths:
        layer = max((layer_of[other] + 1 for other in needs.get(path, ())), default=0)
        while taken.get(layer, 0) >= room:
            layer += 1
        layer_of[path] = layer
        taken[layer] = taken.get(layer, 0) + 1
    used = {layer: number for number, layer in enumerate(sorted(taken))}
    return {path: used[layer] for path, layer in layer_of.items()}


def _chains(
    edges: Sequence[tuple[str, str, str]],
    places: Mapping[str, _Place],
    layer_of: Mapping[str, int],
    layers: list[list[_Place]],
) -> list[list[_Place]]:
    """The places that each edge passes, from the left; puts the bends into ``layers``."""
    spans = [tuple(sorted((layer_of[source], layer_of[target]))) for source, target, _ in edges]
    bend = sum(max(0, high - low - 1) for low, high in spans) <= _MAX_BENDS
    bends: dict[tuple[str, int], _Place] = {}  # edges to the same file run together
    chains = []
    for (source, target, _), (low, high) in zip(edges, spans, strict=True):
        first, last = (target, source) if layer_of[target] <= layer_of[source] else (source, target)
        chain = [places[first]]
        for layer in range(low + 1, high) if bend else ():
            if (first, layer) not in bends:
                bends[first, layer] = place = _Place(0, _BEND)
                layers[layer].append(place)
            chain.append(bends[first, layer])
        chain.append(places[last])
        for one, other in pairwise(chain):
            if other not in one.after and low != high:
                one.after.append(other)
                other.before.append(one)
        chains.append(chain)
    return chains


def _arrange(layers: list[list[_Place]]) -> None:
    """Sort each layer by where its neighbours stand, then give every place its ``y``."""
    for sweep in range(_SWEEPS):
        forward = sweep % 2 == 0
        at: dict[_Place, float] = {}
        for layer in layers if forward else reversed(layers):
            wish = {}
            for number, place in enumerate(layer):
                others = [at[other] for other in (place.before if forward else place.after)]
                wish[place] = sum(others) / len(others) if others else number / max(1, len(layer) - 1)
            layer.sort(key=wish.__getitem__)
            at |= {place: number / max(1, len(layer) - 1) for number, place in enumerate(layer)}
    for layer in layers:
        _stack(layer, dict.fromkeys(layer, 0.0))
    for sweep in range(_SWEEPS):
        for layer in layers if sweep % 2 else reversed(layers):
            wish = {}
            for place in layer:
                others = [other.y + other.height / 2 for other in (*place.before, *place.after)]
                wish[place] = (sum(others) / len(others) - place.height / 2) if others else place.y
            _stack(layer, wish)
    top = min(place.y for layer in layers for place in layer)
    for layer in layers:
        for place in layer:
            place.y += 8 - top


def _stack(layer: Sequence[_Place], wish: Mapping[_Place, float]) -> None:
    """Put each place as near to its wish as order and gaps allow: the mean of pushing down and pushing up."""
    down, low = [], -math.inf
    for place in layer:
        down.append(max(low, wish[place]))
        low = down[-1] + place.height + _gap(place)
    up, high = [], math.inf
    for place in reversed(layer):
        up.append(min(high - place.height - _gap(place), wish[place]))
        high = up[-1]
    for place, one, other in zip(layer, down, reversed(up), strict=True):
        place.y = (one + other) / 2


def _gap(place: _Place) -> float:
    return _LEAST_GAP if place.height == _HEIGHT else _LEAST_BEND_GAP


def _curve(chain: Sequence[_Place], corner: Mapping[_Place, float]) -> str:
    """Level where it leaves and enters a layer, and a smooth turn between two of them."""
    if corner[chain[0]] == corner[chain[-1]]:  # a cycle within one layer: an arc on the right
        (x, y), (_, other) = ((corner[p] + p.width, p.y + p.height / 2) for p in (chain[0], chain[-1]))
        return f"M{x:.0f} {y:.0f}C{x + 40:.0f} {y:.0f} {x + 40:.0f} {other:.0f} {x:.0f} {other:.0f}"
    x, y = corner[chain[0]] + chain[0].width, chain[0].y + chain[0].height / 2
    parts = [f"M{x:.0f} {y:.0f}"]
    for place in chain[1:]:
        end, level = corner[place], place.y + place.height / 2
        middle = (x + end) / 2
        parts.append(f"C{middle:.0f} {y:.0f} {middle:.0f} {level:.0f} {end:.0f} {level:.0f}")
        x, y = end, level
        if place is not chain[-1] and place.width:
            x += place.width
            parts.append(f"H{x:.0f}")
    return "".join(parts)


def _labels(paths: Sequence[str]) -> dict[str, str]:
    """The name of each file, with as many folders as tell it from the others."""
    endings = {
        path: [path.split("/", number)[-1] for number in range(path.count("/"), -1, -1)] for path in paths
    }
    number_of = Counter(ending for each in endings.values() for ending in each)
    labels = {path: next(e for e in each if number_of[e] == 1 or e == path) for path, each in endings.items()}
    return {
        path: label if len(label) <= _LONGEST_LABEL else "…" + label[1 - _LONGEST_LABEL :]
        for path, label in labels.items()
    }
