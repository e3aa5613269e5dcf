// Counts the words of a task, and remembers how many tickets it has done.
#include <adjutant.hpp>

using namespace adjutant;

// The characters of a word: its bytes but those that go on with a character.
static int64_t letters(const std::string& word) {
    int64_t count = 0;
    for (unsigned char c : word) count += (c & 0xc0) != 0x80;
    return count;
}

// Counts this ticket in the agent's memory.
static Result<uint64_t> remember() {
    auto kept = memory::get("tickets");
    if (!kept) return std::unexpected(kept.error());
    uint64_t tickets = 1;
    if (*kept) tickets += json::Value::read(text(**kept)).natural();
    if (auto put = memory::put("tickets", bytes(std::to_string(tickets))); !put)
        return std::unexpected(put.error());
    return tickets;
}

static Done work(const Task& task) {
    ADJUTANT_TRY(reporting::progress("counting words"));
    // The host fills in the default of plugin.toml.
    int64_t minimum = config(task)["minimum"].number(1);
    uint64_t count = 0;
    for (const auto& word : fields(text(task))) count += letters(word) >= minimum;
    uint64_t tickets = ADJUTANT_TRY(remember());

    json::Text output;
    output.object([&](auto& object) { object.field("words", count).field("tickets", tickets); });
    return report("The task has " + std::to_string(count) + " words. Tickets done so far: " +
                      std::to_string(tickets) + ".",
                  output.str());
}

ADJUTANT_SUBORDINATE(work)
