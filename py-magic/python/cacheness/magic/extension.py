"""How a marked cell is caught: the mechanism between IPython and the flow.

An input transformer replaces the `%%cacheness` line by a marker call, so that the body stays an
ordinary cell: its lines, tracebacks, `await`, `;` and prompts are untouched. An AST transformer
sees the marker after every `pre_run_cell` callback and before anything is compiled; on a hit it
replaces the whole body by one call that restores, on a miss it takes the marker away and lets
IPython run what is left.
"""

from __future__ import annotations

import ast
import atexit
import os
import re
import time
from typing import Any

from cacheness._cacheness import Cache
from cacheness.errors import CacheError
from cacheness.magic import report
from cacheness.magic.cell import Cell
from cacheness.magic.flow import Run, begin
from cacheness.magic.hit import Hit
from cacheness.magic.options import OptionError, Options, option_help, parse_options
from cacheness.magic.report import Record
from cacheness.magic.resolve import UncacheableError
from cacheness.settings import Settings

_MARKER = "_cacheness_cell"
_RESTORE = "_cacheness_restore"
_RAISE = "_cacheness_raise"
_END = "_cacheness_end"
_MISPLACED = "%cacheness"
_DIRECTIVE = re.compile(r"^(?:# ?)?%%cacheness(?:[ \t]+([^?\n]*?))?[ \t]*\r?\n?$")
_VALUE = "__cacheness_value__"


class Extension:
    """The extension of one shell."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.settings = Settings()
        self.last: Record | None = None
        self.records: dict[str, Record] = {}
        self._cache: Cache | None = None
        self._cache_directory: str | None = None
        self._info: Any = None
        self._run: Run | None = None
        self._nested = False
        self._hit: Hit | None = None
        self._failure: BaseException | None = None
        self._pending: Record | None = None
        self._quiet = False
        self._complained: set[str] = set()
        self._transformer = _AstTransformer(self)

    # --- into and out of the shell ---

    def load(self) -> None:
        shell = self.shell
        shell.input_transformers_cleanup.append(mark_cell)
        shell.ast_transformers.insert(0, self._transformer)
        events = shell.events
        events.register("pre_execute", self._pre_execute)
        events.register("pre_run_cell", self._pre_run_cell)
        # First of all, so that what other extensions print after a cell is not taken for the
        # cell's.
        events.callbacks["post_execute"].insert(0, self._post_execute)
        events.callbacks["post_run_cell"].insert(0, self._post_run_cell)
        for name in (_MARKER, _RESTORE, _RAISE, _END):
            shell.register_magic_function(getattr(self, name), "line", name)
        shell.register_magic_function(self.cell_magic, "cell", "cacheness")
        # What IPython looks for when the line stands further down in a cell.
        shell.register_magic_function(self._misplaced, "line", _MISPLACED)
        atexit.register(self.close)

    def unload(self) -> None:
        shell = self.shell
        shell.input_transformers_cleanup[:] = [
            transform
            for transform in shell.input_transformers_cleanup
            if transform is not mark_cell
        ]
        shell.ast_transformers[:] = [
            other for other in shell.ast_transformers if other is not self._transformer
        ]
        for event, callback in (
            ("pre_execute", self._pre_execute),
            ("pre_run_cell", self._pre_run_cell),
            ("post_execute", self._post_execute),
            ("post_run_cell", self._post_run_cell),
        ):
            shell.events.callbacks[event][:] = [
                other for other in shell.events.callbacks[event] if other != callback
            ]
        magics = shell.magics_manager.magics
        for name in (_MARKER, _RESTORE, _RAISE, _END, _MISPLACED, "cacheness"):
            magics["line"].pop(name, None)
        magics["cell"].pop("cacheness", None)
        atexit.unregister(self.close)
        self.close()

    # --- events ---

    def _pre_execute(self) -> None:
        if self._run is None:
            self._info = None

    def _pre_run_cell(self, info: Any = None) -> None:
        if self._run is None:
            self._info = info

    def _post_execute(self) -> None:
        run = self._run
        if run is None or self._nested:
            return
        result = self.shell.last_execution_result
        if result is not None and self._info is not None and result.info is not self._info:
            return
        self._finish(run, succeeded=result is None or result.success)

    def _post_run_cell(self, result: Any = None) -> None:
        if self._run is not None:
            nested_cell = (
                result is not None
                and self._info is not None
                and result.info is not self._info
                and result.info.raw_cell != self._info.raw_cell
            )
            if nested_cell:
                return
            self._run.abort()
            self._run = None
        if self._pending is not None:
            pending, self._pending = self._pending, None
            self._show(pending)
        self._info = None

    def _finish(self, run: Run, succeeded: bool) -> None:
        self._run = None
        try:
            self._pending = run.finish(succeeded)
        except Exception as error:
            run.abort()
            self._complain(f"the cell ran, but its results could not be stored: {error}")
            self._pending = run.cell.record("error", reason="it could not be stored")

    def _show(self, record: Record) -> None:
        self.last = record
        if record.name is not None:
            self.records[record.name] = record
        failed = record.outcome == "error" and record.reason == "it did not finish"
        if not (self._quiet or failed):
            try:
                report.publish(self.shell, record)
            except Exception as error:
                self._complain(f"the report could not be shown: {error}")

    # --- decisions ---

    def visit(self, tree: ast.Module) -> ast.Module:
        """What IPython compiles instead of `tree`. Never raises: that would unregister us."""
        line = _marker_line(tree)
        if line is None:
            return tree
        body = ast.Module(tree.body[1:], tree.type_ignores)
        try:
            return self._decide(line, body)
        except OptionError as error:
            self._failure = error
        except BaseException as error:
            if isinstance(error, Exception):
                reason = f"{type(error).__name__}: {error}"
                self._complain(f"this cell runs uncached: {reason}")
                self._pending = Record("error", reason=reason)
                return body
            self._failure = error
        return _call(_RAISE)

    def _decide(self, line: str, body: ast.Module) -> ast.Module:
        options = parse_options(line, self._evaluate)
        self._quiet = options.quiet
        info, began = self._info, time.monotonic()
        if self._run is not None or info is None:
            # Silent executions, and cells that run inside of a cell that is being recorded.
            return body
        nested = _DIRECTIVE.match(info.raw_cell.lstrip().partition("\n")[0]) is None
        cache = self._open(options)
        if cache is None:
            return body
        cell = Cell(options, self.shell, cache, self._labels(), began, self.settings.default_ttl())
        try:
            source = ast.unparse(body) if nested else self._body_text(info.raw_cell)
            found = begin(cell, source)
        except UncacheableError as error:
            self._pending = cell.record("uncacheable", reason=str(error))
            return body
        if isinstance(found, Hit):
            self._hit = found
            return _call(_RESTORE)
        try:
            found.start()
        except BaseException:
            # Half a recording would take everything for the cell's doing.
            found.abort()
            raise
        self._run, self._nested = found, nested
        return _with_end(body) if nested else body

    def _body_text(self, raw: str) -> str:
        """The body as IPython understands it, without the marker."""
        return str(self.shell.transform_cell(raw)).partition("\n")[2]

    def _evaluate(self, expression: str) -> object:
        return eval(expression, self.shell.user_global_ns, self.shell.user_ns)

    def _labels(self) -> dict[str, str]:
        labels = {}
        try:
            parent = self.shell.get_parent() if hasattr(self.shell, "get_parent") else {}
            cell_id = (parent.get("metadata") or {}).get("cellId")
            if cell_id:
                labels["cell_id"] = str(cell_id)
        except Exception:
            pass
        session = os.environ.get("JPY_SESSION_NAME")
        notebook = self.shell.user_ns.get("__vsc_ipynb_file__") or session
        if notebook:
            labels["notebook"] = str(notebook)
        return labels

    # --- the cache ---

    def cache(self) -> Cache:
        """The cache of this kernel's settings, opened when it is first needed.

        Raises:
            CacheError: it cannot be opened.
        """
        directory = self.settings.cache_directory()
        if self._cache is None or directory != self._cache_directory:
            self.close()
            self._cache = Cache(directory, max_bytes=self.settings.max_bytes())
            self._cache_directory = directory
        for warning in self._cache.warnings():
            self._complain(warning)
        return self._cache

    def close(self) -> None:
        """Writes what the cache still has in memory, and lets go of it."""
        cache, self._cache = self._cache, None
        if cache is not None:
            cache.close()

    def _open(self, options: Options) -> Cache | None:
        try:
            return self.cache()
        except CacheError as error:
            self._complain(f"cells run uncached: {error}")
            self._pending = Record(
                "uncacheable", name=options.key, reason="the cache cannot be used"
            )
            return None

    def _complain(self, message: str) -> None:
        """One warning a trouble, on stderr, where a cell's own output cannot be mistaken for it."""
        if message in self._complained:
            return
        self._complained.add(message)
        print(f"cacheness: {message}", file=_stderr())

    # --- magics ---

    def _cacheness_cell(self, line: str) -> None:
        """The marker itself; it only runs where no AST transformer is applied."""
        self._misplaced(line)

    def _misplaced(self, line: str) -> None:
        raise _usage_error(
            "%%cacheness must be the first line of its cell: move it up, above code and comments"
        )

    def _cacheness_restore(self, _line: str) -> Any:
        hit, self._hit = self._hit, None
        if hit is None:
            return None
        self._pending = hit.restore()
        return hit.value

    def _cacheness_raise(self, _line: str) -> None:
        failure, self._failure = self._failure, None
        if isinstance(failure, OptionError):
            raise _usage_error(str(failure))
        if failure is not None:
            raise failure

    def _cacheness_end(self, _line: str) -> Any:
        """The end of a body that runs inside of another magic; gives it the body's value."""
        value = self.shell.user_ns.pop(_VALUE, None)
        run = self._run
        if run is not None:
            run.returns(value)
            self._finish(run, succeeded=True)
        return value

    def cell_magic(self, line: str, cell: str) -> None:
        """Caches the cell: run again, it restores its variables and shows its outputs."""
        # Reached only where the input transformer was not applied, as in a script made by
        # nbconvert.
        marked = mark_cell([f"%%cacheness {line}\n", *cell.splitlines(keepends=True)])
        self.shell.run_cell("".join(marked), store_history=False).raise_error()


Extension.cell_magic.__doc__ = f"""Caches the cell: run again, it is restored instead.

    %%cacheness key=features ttl=24h

What the cell reads decides: its code, its variables by value, its files. Options:

{option_help()}
"""


class _AstTransformer:
    def __init__(self, extension: Extension) -> None:
        self._extension = extension

    def visit(self, tree: ast.Module) -> ast.Module:
        return self._extension.visit(tree)


def mark_cell(lines: list[str]) -> list[str]:
    """Replaces the directive on the first line by the marker call; the number of lines stays."""
    match = _DIRECTIVE.match(lines[0]) if len(lines) > 1 else None
    if match is None or not any(line.strip() for line in lines[1:]):
        return lines
    options = match.group(1) or ""
    marker = f"get_ipython().run_line_magic({_MARKER!r}, {options!r})\n"
    rest = lines[1:]
    if rest[0].startswith("%%"):
        name, _, line = rest[0][2:].rstrip("\r\n").partition(" ")
        body = "".join(rest[1:])
        rest = [f"get_ipython().run_cell_magic({name!r}, {line!r}, {body!r})\n"]
    return [marker, *rest]


# IPython asks a transformer like this less often whether a half-typed cell is complete.
mark_cell.has_side_effects = True  # type: ignore[attr-defined]


def _marker_line(tree: Any) -> str | None:
    """The option line, if the first statement of `tree` is the marker call."""
    if not isinstance(tree, ast.Module) or not tree.body:
        return None
    match tree.body[0]:
        case ast.Expr(
            ast.Call(
                ast.Attribute(ast.Call(ast.Name("get_ipython")), "run_line_magic"),
                [ast.Constant(name), ast.Constant(line)],
            )
        ) if name == _MARKER and isinstance(line, str):
            return line
    return None


def _call(magic: str) -> ast.Module:
    tree = ast.parse(f"get_ipython().run_line_magic({magic!r}, '')")
    return ast.Module(tree.body, [])


def _with_end(body: ast.Module) -> ast.Module:
    """The body with a call at its end, whose value is that of the last expression."""
    statements = list(body.body)
    if statements and isinstance(statements[-1], ast.Expr):
        last = statements[-1]
        target = ast.Name(_VALUE, ast.Store())
        statements[-1] = ast.copy_location(ast.Assign([target], last.value), last)
    tree = ast.Module([*statements, *_call(_END).body], body.type_ignores)
    return ast.fix_missing_locations(tree)


def _usage_error(message: str) -> Exception:
    from IPython.core.error import UsageError

    return UsageError(message)


def _stderr() -> Any:
    import sys

    return sys.stderr
