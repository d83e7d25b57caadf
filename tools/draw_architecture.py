"""The architecture as the code has it: read from the imports, held to an order, drawn for CONTRIBUTING.

    python tools/draw_architecture.py          # draws docs/images/architecture.svg
    python tools/draw_architecture.py --check  # says what runs uphill, in a circle, or takes a private name

:data:`ORDER` is the one place where the direction of imports is written down. A room is a module or folder directly
below the package; it may import from rooms before it, never from its own rank or later. ``tests/test_architecture.py``
fails when the code breaks that order or when the picture is older than the imports.
"""

from __future__ import annotations

import argparse
import ast
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

REPOSITORY = Path(__file__).resolve().parents[1]
PICTURE = REPOSITORY / "docs" / "images" / "architecture.svg"

#: Rooms from the ground up, with a word for each rank.
ORDER: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("the ground", ("version", "renamed", "errors", "progress", "memory", "forking")),
    ("what a signature declares", ("params",)),
    ("compiled loops", ("compiled",)),
    ("arrays at the edge", ("images",)),
    ("pictures in and out; threads", ("files", "threads")),
    ("what a person knows", ("trimap",)),
    ("a guess beneath it", ("guess_layer",)),
    ("what a person draws", ("drawing",)),
    ("what is done with an alpha", ("compositing", "metrics")),
    ("how it is shown", ("figures",)),
    ("the methods", ("methods",)),
    ("colours of the layers", ("foreground",)),
    ("what any view needs", ("widgets.display", "widgets.messages", "widgets.screen_pictures")),
    ("pictures to learn on", ("samples",)),
    ("from a photograph to files", ("photo",)),
    ("a view of several alphas", ("widgets.comparison",)),
    ("side by side", ("comparison",)),
    ("many photographs; a screen; pictures to play with", ("batches", "widgets", "explorables")),
    ("the lessons; the page without code; the server", ("lessons", "app", "serve")),
    ("the shell", ("cli",)),
)


class Import(NamedTuple):
    """One import: the module that has it, the module it names, the line, and the names taken from it."""

    source: str
    target: str
    line: int
    names: tuple[str, ...]


def modules(package: Path) -> dict[str, Path]:
    """Every module below a package's folder, by its dotted name, ``package`` itself included."""
    found = {}
    for path in sorted(package.rglob("*.py")):
        parts = (package.name, *path.relative_to(package).with_suffix("").parts)
        found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def imports(package: Path) -> list[Import]:
    """Every import of one of the package's modules by another, wherever in the file it stands."""
    known = modules(package)
    return [found for name, path in known.items() for found in _imports_of(name, path, known)]


def _imports_of(name: str, path: Path, known: Mapping[str, Path]) -> Iterator[Import]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    aliases: dict[str, str] = {}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name in known:
                    yield Import(name, alias.name, node.lineno, ())
                    aliases[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom):
            base = node.module or ""
            if node.level:
                folder = name.split(".") if path.name == "__init__.py" else name.split(".")[:-1]
                base = ".".join([*folder[: len(folder) - node.level + 1], *([base] if base else [])])
            for alias in node.names:
                whole = f"{base}.{alias.name}"
                if whole in known:
                    yield Import(name, whole, node.lineno, ())
                    aliases[alias.asname or alias.name] = whole
                elif base in known:
                    yield Import(name, base, node.lineno, (alias.name,))
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id in aliases:
            yield Import(name, aliases[node.value.id], node.lineno, (node.attr,))


def room(module: str) -> str:
    """The room a module lies in: the part after the package's own name, or a module that has a rank of its own."""
    inside = module.partition(".")[2]
    return inside if inside in OWN_RANK else inside.split(".")[0]


#: Modules that stand lower than the folder they lie in.
OWN_RANK = frozenset(name for _, names in ORDER for name in names if "." in name)


def private_names(found: Sequence[Import]) -> list[str]:
    """Private names that one module takes from another."""
    private = re.compile(r"_(?!_)")
    return [
        f"{one.source}:{one.line} takes the private {one.target}.{name}"
        for one in found
        if one.source != one.target
        for name in (*one.names, one.target.rpartition(".")[2])
        if private.match(name)
    ]


def uphill(found: Sequence[Import], order: Sequence[tuple[str, Sequence[str]]] = ORDER) -> list[str]:
    """Imports from a room of the same rank or a later one, and rooms that have no rank."""
    rank = {name: number for number, (_, names) in enumerate(order) for name in names}
    wrong = []
    for one in found:
        here, there = room(one.source), room(one.target)
        if here in ("", there) or there == "":
            # The package's face is for users: inside, everything is imported from where it lives.
            if here and there == "":
                wrong.append(f"{one.source}:{one.line} imports the package's own face")
            continue
        missing = [name for name in (here, there) if name not in rank]
        if missing:
            wrong.append(f"{missing[0]} has no place in ORDER")
        elif rank[there] >= rank[here]:
            wrong.append(f"{one.source}:{one.line} imports {one.target}, which lies above it")
    return sorted(set(wrong))


def circles(found: Sequence[Import]) -> list[list[str]]:
    """Groups of modules that import one another, whether at the top or inside functions (Tarjan 1972)."""
    graph: dict[str, set[str]] = {}
    for one in found:
        # A package imports its parts for its face; that a part may import the package's other parts is no circle.
        if one.source != one.target and not one.target.startswith(one.source + "."):
            graph.setdefault(one.source, set()).add(one.target)
            graph.setdefault(one.target, set())
    index: dict[str, int] = {}
    low: dict[str, int] = {}
    stack: list[str] = []
    groups: list[list[str]] = []

    def visit(node: str) -> None:
        index[node] = low[node] = len(index)
        stack.append(node)
        for other in sorted(graph[node]):
            if other not in index:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in stack:
                low[node] = min(low[node], index[other])
        if low[node] == index[node]:
            group = [stack.pop()]
            while group[-1] != node:
                group.append(stack.pop())
            if len(group) > 1:
                groups.append(sorted(group))

    for node in sorted(graph):
        if node not in index:
            visit(node)
    return groups


def arrows(found: Sequence[Import]) -> list[tuple[str, str]]:
    """Which room imports from which, each pair once."""
    pairs = {(room(one.source), room(one.target)) for one in found}
    return sorted((here, there) for here, there in pairs if here and there and here != there)


def essential(pairs: Sequence[tuple[str, str]]) -> list[tuple[str, str]]:
    """Leave out what follows from other arrows: where a leads to b and b to c, a to c need not be drawn."""
    below: dict[str, set[str]] = {}
    for here, there in pairs:
        below.setdefault(here, set()).add(there)

    def reach(start: str) -> set[str]:
        seen: set[str] = set()
        left = list(below.get(start, ()))
        while left:
            node = left.pop()
            if node not in seen:
                seen.add(node)
                left += below.get(node, ())
        return seen

    return [(here, there) for here, there in pairs if not any(there in reach(other) for other in below[here] - {there})]


def described(pairs: Sequence[tuple[str, str]]) -> str:
    """The arrows as the picture carries them in its title, by which a stale picture is told."""
    return "; ".join(f"{here} imports {there}" for here, there in pairs)


def contents(package: Path) -> dict[str, list[str]]:
    """What lies in each room that is a folder, one level down, without its private parts."""
    return {
        folder.name: sorted(
            part.stem
            for part in folder.iterdir()
            if (part.suffix == ".py" or (part / "__init__.py").exists()) and not part.name.startswith("_")
        )
        for folder in sorted(package.iterdir())
        if (folder / "__init__.py").exists()
    }


def graph(pairs: Sequence[tuple[str, str]], inside: Mapping[str, Sequence[str]]) -> str:
    """Describe rooms, ranks and the essential arrows to Graphviz."""
    lines = [
        f'digraph "{described(pairs)}" {{',
        'graph [rankdir=TB, ranksep=0.32, nodesep=0.22, fontname="Helvetica", bgcolor="white"]',
        'node [shape=box, style="rounded,filled", fillcolor=white, color="#1f5fa8", fontname="Helvetica", fontsize=12,'
        ' height=0.32, margin="0.12,0.05"]',
        'edge [color="#7d8a99", arrowsize=0.6]',
    ]
    for number, (word, names) in enumerate(ORDER):
        lines.append(f'rank{number} [label="{word}", shape=plaintext, style="", fontcolor="#5b6674", fontsize=11]')
        for name in names:
            parts = "<br/>".join(", ".join(row) for row in _rows(inside.get(name, ())))
            small = f'<br/><font point-size="9" color="#5b6674">{parts}</font>' if parts else ""
            fill = ', fillcolor="#dbe8f7", penwidth=2' if name == "methods" else ""
            lines.append(f'"{name}" [label=<<b>{name}</b>{small}>{fill}]')
        same = "; ".join(f'"{name}"' for name in names)
        lines.append(f"{{rank=same; rank{number}; {same}}}")
    lines += [f"rank{number + 1} -> rank{number} [style=invis, weight=50]" for number in range(len(ORDER) - 1)]
    lines += [f'"{here}" -> "{there}"' for here, there in essential(pairs)]
    return "\n".join([*lines, "}"])


def _rows(names: Sequence[str]) -> list[Sequence[str]]:
    return [names[start : start + 5] for start in range(0, len(names), 5)]


def draw(path: Path) -> None:
    """Draw rooms as boxes, rank above rank, and the essential arrows between them, with Graphviz's ``dot``."""
    if shutil.which("dot") is None:
        raise SystemExit("Graphviz's dot draws this picture; install it, for example with: apt-get install graphviz")
    package = REPOSITORY / "mattingkit"
    source = graph(arrows(imports(package)), contents(package))
    drawn = subprocess.run(["dot", "-Tsvg"], input=source, capture_output=True, text=True, check=True).stdout
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(re.sub(r"<!-- Generated by.*?-->\n", "", drawn, flags=re.DOTALL), encoding="utf-8")


def drawn_arrows(path: Path) -> str:
    """What a drawn picture says it was drawn from."""
    found = re.search(r"<title>(.*? imports .*?)</title>", path.read_text(encoding="utf-8"), re.DOTALL)
    return " ".join(found.group(1).split()) if found else ""


def main(arguments: Sequence[str] | None = None) -> int:
    """Draw the picture, or check the imports."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--check", action="store_true", help="say what is wrong, and draw nothing")
    given = parser.parse_args(arguments)
    found = imports(REPOSITORY / "mattingkit")
    wrong = [*uphill(found), *("a circle: " + ", ".join(group) for group in circles(found)), *private_names(found)]
    print("\n".join(wrong) or "No arrow uphill, no circle, no private name.")
    if not given.check:
        draw(PICTURE)
    return bool(wrong)


if __name__ == "__main__":
    sys.exit(main())
