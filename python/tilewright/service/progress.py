"""Progress of tasks."""

from __future__ import annotations

from collections.abc import Callable

from tilewright.engine.progress import Progress

# Called with the taskUUID of an upscale task, before the first tile of its picture and after each
# tile, on the thread that runs the task. Tasks that run at the same time call it at the same time.
OnTaskProgress = Callable[[str, Progress], None]
