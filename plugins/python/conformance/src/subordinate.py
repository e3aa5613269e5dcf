"""The script interpreter as a subordinate."""

import script
from adjutant import Report, Task, subordinate


@subordinate
def work(task: Task) -> Report:
    return script.run(task, {})
