/* Counts the words of a task, and remembers how many tickets it has done. */
#include <adjutant.h>

/* The characters of a word: its bytes but those that go on with a character. */
static int64_t letters(adj_string_t word) {
    int64_t count = 0;
    for (size_t i = 0; i < word.len; i++) count += (word.ptr[i] & 0xc0) != 0x80;
    return count;
}

/* Counts this ticket in the agent's memory. */
static bool remember(uint64_t *tickets, adj_error_t *error) {
    adj_string_t key = adj_str("tickets");
    adj_option_list_u8_t kept;
    if (!memory_get(&key, &kept, error)) return false;
    *tickets = 1;
    if (kept.is_some) {
        adj_string_t text = {kept.val.ptr, kept.val.len};
        *tickets += adj_json_u64_or(adj_json_read(text, NULL), 0);
    }
    adj_string_t text = adj_format("%llu", (unsigned long long)*tickets);
    adj_list_u8_t value = {text.ptr, text.len};
    return memory_put(&key, &value, error);
}

bool adj_work(const adj_task_t *task, adj_report_t *report, adj_failure_t *failure) {
    adj_error_t error;
    adj_string_t note = adj_str("counting words");
    if (!reporting_progress(&note, &error)) return adj_fail_by(failure, &error);

    adj_string_t problem;
    const adj_json_t *config = adj_json_read(task->config_json, &problem);
    if (!config) return adj_fail(failure, "The configuration is no JSON: %.*s.", ADJ_ARG(problem));
    /* The host fills in the default of plugin.toml. */
    int64_t minimum = adj_json_s64_or(adj_json_field(config, "minimum"), 1);

    uint64_t words = 0, tickets;
    adj_string_t rest = adj_task_text(task), word;
    while (adj_next_field(&rest, &word)) words += letters(word) >= minimum;
    if (!remember(&tickets, &error)) return adj_fail_by(failure, &error);

    adj_text_t output = {0};
    adj_json_begin(&output, '{');
    adj_json_key(&output, "words");
    adj_json_u64(&output, words);
    adj_json_key(&output, "tickets");
    adj_json_u64(&output, tickets);
    adj_json_end(&output, '}');
    report->summary =
        adj_format("The task has %llu words. Tickets done so far: %llu.",
                   (unsigned long long)words, (unsigned long long)tickets);
    report->output_json = (adj_option_string_t){true, adj_text(&output)};
    return true;
}
