"""Counts the words of a task, and remembers how many tickets it has done."""

from adjutant import Report, Task, memory, reporting, subordinate


def count_words(text: str, minimum: int) -> int:
    return sum(len(word) >= minimum for word in text.split())


@subordinate
def work(task: Task) -> Report:
    # The host fills in the default of plugin.toml.
    minimum: int = task.config["minimum"]
    reporting.progress("counting words")
    words = count_words(task.text, minimum)
    tickets: int = memory.get_json("tickets", 0) + 1
    memory.put_json("tickets", tickets)
    return Report(
        f"The task has {words} words. Tickets done so far: {tickets}.",
        output={"words": words, "tickets": tickets},
    )
