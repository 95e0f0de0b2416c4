"""The shell command on a cache that a kernel has open."""

from __future__ import annotations

from pathlib import Path

from documents import run_cells

SHELL = """
import subprocess, sys
def command(*words):
    line = [sys.executable, "-m", "cacheness", *words]
    done = subprocess.run(line, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout
"""
CELL = (
    "%%cacheness key=squares\nsquares = list(map(pow, range(50_000), [2] * 50_000))\nlen(squares)"
)


def test_the_command_works_while_a_kernel_does(tmp_path: Path) -> None:
    runs = run_cells(
        tmp_path,
        "%load_ext cacheness",
        SHELL,
        CELL,
        "assert 'squares' in command('ls') and 'as stored' in command('verify')",
        CELL,
        "assert '1 entry' in command('rm', 'squ*')",
        CELL,
        "command('gc'); command('verify')",
        CELL,
        "command('clear', '--yes'); assert command('ls', '--json').strip() == '[]'",
        CELL,
        CELL,
        "assert squares[7] == 49",
    )
    outcomes = [run.outcome for run in runs if run.cached]
    assert outcomes == ["miss", "hit", "miss", "hit", "miss", "hit"]
