"""From what a cell reads to the inputs of its key."""

from __future__ import annotations

import contextlib
import functools
import glob
import importlib
import importlib.util
import json
import os
import sys
import types
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any

from cacheness._cacheness import Cache, CellFacts, Key, Walk, analyse_python, digest_bytes, make_key
from cacheness.decompose.parts import Decomposed, Extent
from cacheness.errors import UnstableValueError
from cacheness.fingerprint import Decomposer, fingerprint
from cacheness.magic import names
from cacheness.magic.databases import hidden_objects
from cacheness.magic.describe import describe, describe_text
from cacheness.magic.imports import WATCH
from cacheness.magic.library_options import unusual_options
from cacheness.magic.magics import UncacheableError, own_magics
from cacheness.magic.namespace import is_own_name
from cacheness.magic.options import Options
from cacheness.magic.pace import Pace
from cacheness.magic.session import own_threads
from cacheness.magic.statements import modules_surely_loaded, names_surely_bound
from cacheness.origin import code_origin, is_installed_file, package_version, type_home

PlainInput = tuple[str, str, str, str | None]

# Goes up when an older entry could not be restored any more, or not rightly.
ENTRY_FORMAT = "2"

_OPTION = "option "
_LONGEST_PATH = 4096
_MOST_ITEMS = 200


@dataclass
class Resolved:
    """The inputs of a cell as they are now.

    Attributes:
        key: names the computation.
        walk: went over the variables; numbers the mutable objects below them.
        roots: the variables, in the order of the walk.
        facts: what the text of the cell says.
        source: that text.
        inputs: what the key was made of.
        extents: the memory of the arrays among the variables.
        called: dotted names of what the cell and the functions that it reads call.
        named: files that it names, which a run may read without being seen.
        surely_bound: names that it binds whenever it succeeds.
        perhaps_bound: names that it binds on some ways through it, and does not read.
        modules: parts of packages that it imports.
    """

    key: Key
    walk: Walk
    roots: dict[str, Any]
    facts: CellFacts
    source: str
    inputs: list[PlainInput] = field(default_factory=list)
    extents: list[Extent] = field(default_factory=list)
    called: set[str] = field(default_factory=set)
    named: list[str] = field(default_factory=list)
    surely_bound: set[str] = field(default_factory=set)
    perhaps_bound: set[str] = field(default_factory=set)
    modules: list[str] = field(default_factory=list)


def resolve(
    source: str,
    facts: list[CellFacts],
    shell: Any,
    options: Options,
    cache: Cache,
    pace: Pace,
) -> Resolved:
    """The key of a cell, from what it reads now.

    Raises:
        UncacheableError: it reads something without stable content, or in a way that cannot be
            followed.
    """
    namespace = shell.user_ns
    names.refuse_dynamic(facts, namespace)
    code = names.compiled(source)
    decomposer = Decomposer(namespace)
    surely = names_surely_bound(source)
    read_or_deleted = set().union(*(fact.reads | fact.deletes for fact in facts))
    perhaps = {
        name
        for name in set().union(*(fact.writes for fact in facts)) - surely - read_or_deleted
        if not is_own_name(name)
    }
    first = names.live_names(facts, namespace)
    if own_threads():
        # They may read any name meanwhile, so that none can be put out of sight.
        first |= perhaps & namespace.keys()
    reading = _Reading(Walk(_paced(decomposer, pace)), namespace, decomposer)
    reading.visible |= own_magics(facts, shell)
    reading.read(first, code, facts)
    roots, walk = reading.roots, reading.walk
    called = decomposer.called.union(code.called, *(fact.calls for fact in facts))
    if any(name == "pwd" for fact in facts for _, name, *_ in fact.magics):
        called.add("getcwd")
    inputs: list[PlainInput] = [
        ("source", "cell", source_digest(facts), _text_detail(source)),
        _version("cell entries", ENTRY_FORMAT),
        *reading.inputs,
    ]
    shared = _sharing(walk, decomposer.extents)
    if shared is not None:
        inputs.append(("state", "shared memory between variables", shared, None))
    packages = decomposer.packages.union(
        code.packages, *(name.partition(".")[:1] for fact in facts for name in fact.imports)
    )
    inputs += _unusual(packages, called)
    inputs += _declared(options, cache, pace)
    inputs += _local_modules(facts, cache)
    inputs += _constants(facts, roots)
    inputs += [
        ("environment", name, digest_bytes(os.environ.get(name, "\0unset").encode()), None)
        for name in sorted(options.env)
    ]
    inputs += _versions(facts, roots)
    inputs += _chosen(options)
    named = _named_files(facts, roots, options)
    return Resolved(
        key=make_key("cell", inputs),
        walk=walk,
        roots=roots,
        facts=facts[0],
        source=source,
        inputs=inputs,
        extents=decomposer.extents,
        called=called,
        named=named,
        surely_bound=surely,
        perhaps_bound=perhaps - roots.keys(),
        modules=modules_surely_loaded(source),
    )


class _Reading:
    """The walk over all that a cell reads: what its text shows, and what that leads to."""

    def __init__(self, walk: Walk, namespace: dict[str, Any], decomposer: Decomposer) -> None:
        self.walk = walk
        self.roots: dict[str, Any] = {}
        self.inputs: list[PlainInput] = []
        self._decomposer = decomposer
        self._namespace = namespace
        self.visible = names.changed_builtins()

    def read(self, first: set[str], code: names.Code, facts: list[CellFacts]) -> None:
        """Adds the names in `first`, and all that they lead to.

        Raises:
            UncacheableError: one of them has no stable content, or hides what it reads.
        """
        read_anyway = set().union(*(fact.reads for fact in facts))
        magics = {name for name in self.visible if name.startswith("%")}
        pending = first | magics | (read_anyway & self.visible.keys() - self._namespace.keys())
        decomposer = self._decomposer
        while pending:
            for name in sorted(pending):
                value = self._namespace[name] if name in self._namespace else self.visible[name]
                self.roots[name] = value
                self.inputs.append(_variable(self.walk, name, value))
            texts = code.strings | decomposer.strings
            texts |= {value for value in self.roots.values() if type(value) is str}
            meant = names.names_in_texts(code.called | decomposer.called, texts)
            wanted = decomposer.wanted | (meant & self._namespace.keys())
            wanted = {name for name in wanted if not is_own_name(name)}
            wanted |= decomposer.referenced & self.visible.keys() - self._namespace.keys()
            pending = wanted - self.roots.keys()
        names.refuse_frames(code.called | decomposer.called, code.strings | decomposer.strings)


def _unusual(packages: set[str], called: set[str]) -> list[PlainInput]:
    hidden = hidden_objects() if "duckdb" in packages else []
    if hidden:
        raise UncacheableError(
            "DuckDB's own connection holds what is not seen "
            f"({', '.join(hidden)}): use duckdb.connect()"
        )
    found: list[PlainInput] = []
    for name, value in sorted(unusual_options(packages, called).items()):
        found.append(("state", f"{_OPTION}{name}", fingerprint(value), json.dumps(repr(value))))
    return found


def _chosen(options: Options) -> list[PlainInput]:
    """The options of the person's that are part of the key."""
    chosen = (
        ("vars", ",".join(sorted(options.variables)) or None),
        ("exclude", ",".join(sorted(options.exclude)) or None),
        ("version", options.version),
    )
    return [
        ("option", name, _text_digest(text), json.dumps(text))
        for name, text in chosen
        if text is not None
    ]


def _paced(decomposer: Decomposer, pace: Pace) -> Callable[[Any], Decomposed]:
    def paced(value: Any) -> Decomposed:
        pace.tick(value.nbytes if type(value).__name__ == "ndarray" else 0)
        return decomposer(value)

    return paced


def walk_again(resolved: Resolved, namespace: dict[str, Any], pace: Pace) -> Walk:
    """The same objects, as they are after the run, including those that left the graph."""
    walk = Walk(_paced(Decomposer(namespace), pace))
    for value in resolved.roots.values():
        walk.add(value)
    for ordinal in range(len(resolved.walk)):
        obj = resolved.walk.object(ordinal)
        if walk.ordinal(obj) is None:
            walk.add(obj)
    return walk


def source_digest(facts: list[CellFacts]) -> str:
    """The digest of a cell's own code, that of its magics included."""
    if len(facts) == 1 and not facts[0].quiet:
        return facts[0].source
    parts = ":".join(f"{fact.source}{'quiet' * fact.quiet}" for fact in facts)
    return _text_digest(parts)


def _text_detail(source: str) -> str:
    # The line of the magic counts, so that lines are those that the person sees.
    return json.dumps({"text": describe_text(f"\n{source}")})


def _text_digest(text: str) -> str:
    return digest_bytes(text.encode("utf-8", "surrogatepass"))


def _variable(walk: Walk, name: str, value: Any) -> PlainInput:
    try:
        digest, parts = walk.add(value)
    except UnstableValueError as error:
        raise UncacheableError(f"`{name}{error.path}`: {error.why}") from None
    kind = "variable"
    if isinstance(value, types.ModuleType):
        kind = "module"
    elif isinstance(value, (types.FunctionType, type)):
        kind = "function"
    return kind, name, digest, json.dumps(describe(value, parts))


def _sharing(walk: Walk, extents: list[Extent]) -> str | None:
    """A digest of which objects the variables share, and of which arrays overlap in memory."""
    aliases = walk.aliases()
    overlaps = []
    reached: Extent | None = None
    for extent in sorted(extents, key=lambda extent: (extent.start, -extent.end)):
        if reached is not None and extent.start < reached.end and extent.array is not reached.array:
            pair = (walk.ordinal(reached.array), walk.ordinal(extent.array))
            overlaps.append((*pair, extent.start - reached.start, extent.array.strides))
        if reached is None or extent.end > reached.end:
            reached = extent
    if aliases is None and not overlaps:
        return None
    return _text_digest(f"{aliases}{overlaps}")


def _declared(options: Options, cache: Cache, pace: Pace) -> list[PlainInput]:
    """What `inputs=` names; a pattern stands for the files that it matches now.

    Raises:
        UncacheableError: something that is named does not exist.
    """
    paths: list[str] = []
    for text in options.inputs:
        matches = sorted(glob.glob(text, recursive=True)) if glob.has_magic(text) else [text]
        if not matches or not os.path.exists(matches[0]):
            raise UncacheableError(f"the input `{text}` does not exist")
        paths += matches
    paths = list(dict.fromkeys(paths))
    digests = pace.call(lambda: cache.digest_paths(paths), size_of_files(paths)) if paths else []
    return [(kind, path, digest, None) for path, (kind, digest) in zip(paths, digests, strict=True)]


def size_of_files(paths: Iterable[str]) -> int:
    """The bytes in those of the paths that are files; folders count as very many."""
    total = 0
    for path in paths:
        with contextlib.suppress(OSError):
            total += 1 << 40 if os.path.isdir(path) else os.path.getsize(path)
    return total


def _named_files(facts: list[CellFacts], roots: dict[str, Any], options: Options) -> list[str]:
    """Files that the cell's constants and variables name, and that are not declared."""
    texts = {text for fact in facts for text, _line in fact.literals}
    for value in roots.values():
        for item in _items(value):
            if isinstance(item, (str, os.PathLike)):
                texts.add(str(item))
    patterns = [text for text in texts if glob.has_magic(text) and os.path.dirname(text)]
    for pattern in patterns:
        if "\0" not in pattern and len(pattern) < _LONGEST_PATH:
            texts.update(glob.glob(pattern, recursive=True))
    return sorted(
        text
        for text in texts - {*options.inputs}
        if len(text) < _LONGEST_PATH and "\0" not in text and os.path.isfile(text)
    )


def _items(value: Any) -> Iterable[Any]:
    """The value itself, or the items of a small container."""
    if type(value) is dict and len(value) <= _MOST_ITEMS:
        return value.values()
    return value if type(value) in (list, tuple) and len(value) <= _MOST_ITEMS else (value,)


def _constants(facts: list[CellFacts], roots: dict[str, Any]) -> list[PlainInput]:
    """Plain attributes of installed modules that the cell reads: somebody may have set them."""
    found: list[PlainInput] = []
    for name, dotted in sorted(
        {(n, d) for f in facts for n, ds in f.attributes.items() for d in ds}
    ):
        value = roots.get(name)
        for attribute in dotted.split(".") if isinstance(value, types.ModuleType) else ():
            value = vars(value).get(attribute) if isinstance(value, types.ModuleType) else None
        if name in roots and value is not roots[name] and type(value) in (str, int, float, bool):
            digest = _text_digest(f"{type(value).__name__} {value!r}")
            found.append(
                ("variable", f"{name}.{dotted}", digest, json.dumps({"value": repr(value)}))
            )
    return found


def _local_modules(facts: list[CellFacts], cache: Cache) -> list[PlainInput]:
    """The files of local modules that the cell imports, and of those that they import."""
    files: dict[str, str] = {}
    pending = [name for fact in facts for name in (*fact.imports, *fact.members)]
    seen: set[str] = set()
    while pending:
        name = pending.pop()
        if name in seen:
            continue
        seen.add(name)
        file = _local_file(name)
        if file is None:
            continue
        files[name] = file
        with open(file, encoding="utf-8", errors="replace") as source:
            inner = analyse_python(source.read())
        if not isinstance(inner, str):
            package = name if os.path.basename(file) == "__init__.py" else name.rpartition(".")[0]
            for imported in (*inner.imports, *inner.members):
                pending += [imported, f"{package}.{imported}" if package else imported]
    names = sorted(files)
    digests = cache.digest_paths([files[name] for name in names])
    found: list[PlainInput] = []
    for name, (_, digest) in zip(names, digests, strict=True):
        found.append(("module", name, digest, None))
        for member, changed in WATCH.changed_members(name):
            found.append(("variable", f"{name}.{member}", _text_digest(changed), None))
        module = sys.modules.get(name)
        if module is not None and os.stat(files[name]).st_mtime >= _process_start():
            # Edited since this process began, perhaps after it was loaded: that counts, too.
            found.append(("module", f"{name} as it is loaded", fingerprint(module), None))
    return found


@functools.cache
def _process_start() -> float:
    """When this process began, in seconds since the epoch; the beginning of time if unknown."""
    try:
        psutil: Any = importlib.import_module("psutil")
    except ImportError:
        return 0.0
    return float(psutil.Process().create_time())


def _local_file(name: str) -> str | None:
    """The source file of a module of the person's own, found without importing it."""
    top, _, rest = name.partition(".")
    if top in sys.stdlib_module_names:
        return None
    try:
        spec = importlib.util.find_spec(top)
    except (ImportError, ValueError, AttributeError):
        return None
    if spec is None or spec.origin is None or is_installed_file(spec.origin):
        return None
    if not rest:
        return spec.origin if spec.origin and spec.origin.endswith(".py") else None
    for folder in spec.submodule_search_locations or ():
        stem = os.path.join(folder, *rest.split("."))
        for file in (f"{stem}.py", os.path.join(stem, "__init__.py")):
            if os.path.isfile(file):
                return file
    return None


def _versions(facts: list[CellFacts], roots: dict[str, Any]) -> list[PlainInput]:
    modules = {name.partition(".")[0] for fact in facts for name in fact.imports}
    for value in roots.values():
        is_module = isinstance(value, types.ModuleType)
        modules.add(value.__name__.partition(".")[0] if is_module else type_home(type(value)))
    found = [_version("Python", f"{sys.version_info.major}.{sys.version_info.minor}")]
    for module in sorted(modules - {"builtins", "__main__", "cacheness", ""}):
        if module in sys.stdlib_module_names or (
            code_origin(module) is None and module in sys.modules
        ):
            continue
        version = package_version(module)
        if version is not None:
            found.append(_version(module, version))
    return found


def _version(name: str, version: str) -> PlainInput:
    return "version", name, _text_digest(version), json.dumps(version)
