"""What clients were answered, and whether it is what they must be answered."""

from __future__ import annotations

import time
from collections import Counter, defaultdict

# An answer with this code says that the task was not accepted, and can be sent again.
RETRY = "rateLimitExceeded"


class Answers:
    """Answers by taskUUID, with the seconds that each took."""

    def __init__(self):
        self.by_task = defaultdict(list)
        self._sent = {}

    def sent(self, tasks):
        """Notes that tasks are sent now."""
        self._sent.update((task["taskUUID"], time.perf_counter()) for task in tasks)

    def received(self, envelope, tasks):
        """Adds the answers of an envelope.

        Args:
            envelope: The envelope.
            tasks: Those of its call. An error without taskUUID is an answer to each of them.
        """
        now = time.perf_counter()
        for item in (*envelope["data"], *envelope.get("errors", ())):
            for task_uuid in [item["taskUUID"]] if "taskUUID" in item else [task["taskUUID"] for task in tasks]:
                self.by_task[task_uuid].append({"seconds": now - self._sent.get(task_uuid, now), **item})

    def has_all(self, tasks):
        """Whether each of the tasks has an answer."""
        return all(task["taskUUID"] in self.by_task for task in tasks)


def problems(tasks, by_task):
    """Returns what is wrong with answers: tasks without, with several, with a wrong one; answers to nothing."""
    found = []
    for task in tasks:
        answers = by_task.get(task["taskUUID"], [])
        if len(answers) != 1:
            found.append(f"{task['taskUUID']} has {len(answers)} answers")
        elif "code" in answers[0]:
            if answers[0]["code"] != RETRY:
                found.append(f"{task['taskUUID']} failed: {answers[0]}")
        elif answers[0]["taskType"] != task["taskType"]:
            found.append(f"{task['taskUUID']} has an answer to another type of task: {answers[0]}")
    known = {task["taskUUID"] for task in tasks}
    found += [f"{task_uuid} was not sent, but answered" for task_uuid in by_task if task_uuid not in known]
    return found


def outcomes(by_task):
    """Counts "done" and the codes of errors."""
    return Counter(answer.get("code", "done") for answers in by_task.values() for answer in answers)
