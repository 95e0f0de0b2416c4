"""Value <-> blob, one file a family. `Handlers` asks them in order."""

from cacheness.handlers.base import Encoded, Handler
from cacheness.handlers.registry import Handlers

__all__ = ["Encoded", "Handler", "Handlers"]
