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
import contextlib
import sys
import time
from typing import Any

from cacheness import observe
from cacheness._cacheness import Cache
from cacheness.errors import CacheError
from cacheness.magic.auto import Attempt, attempt
from cacheness.magic.cell import Cell, labels_of
from cacheness.magic.flow import Run, begin
from cacheness.magic.history import History
from cacheness.magic.hit import Hit
from cacheness.magic.imports import WATCH
from cacheness.magic.ledger import Ledger
from cacheness.magic.magics import UncacheableError
from cacheness.magic.marking import (
    END,
    MARKER,
    RAISE,
    RESTORE,
    VALUE,
    call,
    interrupted,
    is_marked,
    mark_cell,
    marker_line,
    mentions_mark,
    with_end,
)
from cacheness.magic.options import OptionError, Options, option_help, parse_options
from cacheness.magic.pace import Pace
from cacheness.magic.progress import Progress
from cacheness.magic.report import Record
from cacheness.settings import Settings

_MISPLACED = "%cacheness"


class Extension:
    """The extension of one shell."""

    def __init__(self, shell: Any) -> None:
        self.shell = shell
        self.settings = Settings()
        self.last: Record | None = None
        self.records: dict[str, Record] = {}
        # Cells by name -> inputs whose change is accepted at their next run.
        self.accepting: dict[str, tuple[str, ...]] = {}
        self.history = History()
        # How the last marked cell is called by `cell_name`.
        self.last_name = ""
        self._cache: Cache | None = None
        self._cache_directory: str | None = None
        self._info: Any = None
        self._run: Run | Attempt | None = None
        self.ledger: Ledger | None = None
        self._progress = Progress(shell)
        # Whether nothing of the cell that executes was compiled yet.
        self._untouched = False
        self._nested = False
        self._hit: Hit | None = None
        self._failure: OptionError | None = None
        self._pending: Record | None = None
        self._quiet = False
        self._complained: set[str] = set()
        self._transformer = _AstTransformer(self)

    # --- into and out of the shell ---

    def load(self) -> None:
        observe.watch_native_code()
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
        for name in (MARKER, RESTORE, RAISE, END):
            shell.register_magic_function(getattr(self, name), "line", name)
        shell.register_magic_function(self.cell_magic, "cell", "cacheness")
        # What IPython looks for when the line stands further down in a cell.
        shell.register_magic_function(self._misplaced, "line", _MISPLACED)
        atexit.register(self.close)
        WATCH.start()

    def unload(self) -> None:
        WATCH.stop()
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
        for name in (MARKER, RESTORE, RAISE, END, _MISPLACED, "cacheness"):
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
            self._untouched = True

    def _post_execute(self) -> None:
        run = self._run
        if run is None or self._nested:
            return
        result = self.shell.last_execution_result
        if result is not None and self._info is not None and result.info is not self._info:
            return
        try:
            self._finish(run, succeeded=result is None or result.success)
        except KeyboardInterrupt as error:
            # An event's callback cannot fail a cell, so this is written into its result.
            if result is not None:
                result.error_in_exec = error.with_traceback(None)
            self.shell.showtraceback((KeyboardInterrupt, error, None))

    def _post_run_cell(self, result: Any = None) -> None:
        if result is not None and result.info is not None and result.info.store_history:
            cell_id = labels_of(self.shell).get("cell_id")
            self.history.remember(result.execution_count, result.info.raw_cell, cell_id)
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
        pending, self._pending = self._pending, None
        self._show(pending)
        self._info = None

    def _finish(self, run: Run | Attempt, succeeded: bool) -> None:
        self._run = None
        try:
            self._pending = run.finish(succeeded)
        except KeyboardInterrupt:
            run.abort()
            raise
        except BaseException as error:
            run.abort()
            self._complain(f"the cell ran, but its results could not be stored: {_said(error)}")
            self._pending = run.cell.record("error", reason="it could not be stored")

    def _show(self, record: Record | None) -> None:
        shown = None
        if record is not None:
            self.last = record
            if record.name is not None:
                self.records[record.name] = record
            failed = record.outcome == "error" and record.reason == "it did not finish"
            shown = None if self._quiet or failed else record
        try:
            self._progress.end_with(shown)
        except BaseException as error:
            self._complain(f"the report could not be shown: {_said(error)}")

    # --- decisions ---

    def visit(self, tree: ast.Module) -> ast.Module:
        """What IPython compiles instead of `tree`. Never raises: that would unregister us."""
        line = marker_line(tree)
        untouched, self._untouched = self._untouched, False
        body = tree if line is None else ast.Module(tree.body[1:], tree.type_ignores)
        try:
            if line is None and not (untouched and self._takes_unmarked()):
                return tree
            return self._decide(line, body)
        except OptionError as error:
            self._failure = error
            return call(RAISE)
        except KeyboardInterrupt:
            return interrupted()
        except BaseException as error:
            self._complain(f"this cell runs uncached: {_said(error)}")
            self._pending = Record("error", reason=_said(error))
            return body
        finally:
            with contextlib.suppress(Exception):
                self._progress.end_before_body()

    def _takes_unmarked(self) -> bool:
        """Whether the cell that begins may be cached without a mark."""
        info = self._info
        if info is None or not info.store_history or self._run is not None:
            return False
        return bool(self.settings.get("auto")) and not mentions_mark(info.raw_cell)

    def _decide(self, line: str | None, body: ast.Module) -> ast.Module:
        """`line` is the option line, `None` for a cell that nobody marked."""
        options = parse_options(line or "", self.evaluate)
        info = self._info
        if self._run is not None or info is None:
            # Silent executions, and cells that run inside of a cell that is being recorded.
            return body
        quiet = options.quiet if "quiet" in options.given else self.settings.get("quiet")
        self._quiet = bool(quiet)
        if not self._open(options):
            return body
        nested = line is not None and not is_marked(info.raw_cell)
        cell = self.cell(options)
        self.last_name = cell.name
        cell.accepts = self.accepting.pop(cell.name, None)
        try:
            found = self._begin(cell, line, body, nested)
        except UncacheableError as error:
            self._pending = cell.record("uncacheable", reason=str(error))
            return body
        if found is None:
            return body
        if isinstance(found, Hit):
            found.apply()
            self._hit = found
            return call(RESTORE)
        try:
            found.start()
        except BaseException:
            # Half a recording would take everything for the cell's doing.
            found.abort()
            raise
        self._run, self._nested = found, nested
        return with_end(body) if nested else body

    def cell(self, options: Options) -> Cell:
        """A cell with these options that is executed now.

        Raises:
            CacheError: the cache cannot be opened.
        """
        pace, ttl = Pace(self._progress.show), self.settings.default_ttl()
        began = time.monotonic()
        return Cell(options, self.shell, self.cache(), labels_of(self.shell), began, ttl, pace=pace)

    def _begin(
        self, cell: Cell, line: str | None, body: ast.Module, nested: bool
    ) -> Hit | Run | Attempt | None:
        raw = self._info.raw_cell
        if line is None:
            assert self.ledger is not None
            minimum = self.settings.get("auto_min")
            return attempt(cell, body, self.transformed(raw), self.ledger, minimum)
        # Without the marker, which is the first line.
        text = ast.unparse(body) if nested else self.transformed(raw).partition("\n")[2]
        return begin(cell, text)

    def transformed(self, raw: str) -> str:
        """The cell as IPython understands it."""
        return str(self.shell.transform_cell(raw))

    def evaluate(self, expression: str) -> object:
        """The value of an expression of the option line."""
        return eval(expression, self.shell.user_global_ns, self.shell.user_ns)

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
            self.ledger = Ledger(self._cache)
        for warning in self._cache.warnings():
            self._complain(warning)
        return self._cache

    def close(self) -> None:
        """Writes what the cache still has in memory, and lets go of it."""
        cache, self._cache = self._cache, None
        if cache is not None:
            cache.close()

    def _open(self, options: Options) -> bool:
        try:
            self.cache()
        except CacheError as error:
            self._complain(f"cells run uncached: {error}")
            self._pending = Record(
                "uncacheable", name=options.key, reason="the cache cannot be used"
            )
            return False
        return True

    def _complain(self, message: str) -> None:
        """One warning a trouble, on stderr, where a cell's own output cannot be mistaken for it."""
        if message in self._complained:
            return
        self._complained.add(message)
        print(f"cacheness: {message}", file=sys.stderr)

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
        try:
            self._pending = hit.replay()
        except (Exception, SystemExit) as error:
            # What the cell left is in place: it must not run as well.
            self._complain(f"not all outputs of the cell could be shown: {_said(error)}")
            self._pending = hit.cell.record("hit", key=hit.entry.cache_key)
        return hit.value

    def _cacheness_raise(self, _line: str) -> None:
        failure, self._failure = self._failure, None
        raise _usage_error(str(failure))

    def _cacheness_end(self, _line: str) -> Any:
        """The end of a body that runs inside of another magic; gives it the body's value."""
        value = self.shell.user_ns.pop(VALUE, None)
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


def _usage_error(message: str) -> Exception:
    from IPython.core.error import UsageError

    return UsageError(message)


def _said(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
