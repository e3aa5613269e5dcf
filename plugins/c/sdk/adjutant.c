/* What adjutant.h promises: the strategy's exports, strings and memory. */
#include "adjutant.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void *adj_alloc(size_t count, size_t size) {
    void *memory = calloc(count ? count : 1, size ? size : 1);
    if (!memory) {
        fprintf(stderr, "out of memory: %zu times %zu bytes were asked for\n", count, size);
        abort();
    }
    return memory;
}

static adj_string_t format_list(const char *format, va_list arguments) {
    va_list again;
    va_copy(again, arguments);
    int len = vsnprintf(NULL, 0, format, again);
    va_end(again);
    adj_string_t text = {NULL, len < 0 ? 0 : (size_t)len};
    char *room = adj_alloc(text.len + 1, 1);
    vsnprintf(room, text.len + 1, format, arguments);
    text.ptr = (uint8_t *)room;
    return text;
}

/* What is answered to the host is freed after the answer, so it gets a copy of its own. */
static adj_string_t own(adj_string_t text) {
    adj_string_t copy = {NULL, text.len};
    if (text.len) {
        copy.ptr = adj_alloc(text.len, 1);
        memcpy(copy.ptr, text.ptr, text.len);
    }
    return copy;
}

/* ---- The strategy ------------------------------------------------------------------------------ */

#if defined(ADJUTANT_WORLD_SELECTOR)

void adj_add_choice(adj_list_choice_t *choices, adj_string_t agent, adj_string_t reason,
                    uint8_t confidence) {
    size_t bytes = (choices->len + 1) * sizeof *choices->ptr;
    adj_choice_t *grown = realloc(choices->ptr, bytes);
    if (!grown) {
        fprintf(stderr, "out of memory: %zu bytes were asked for\n", bytes);
        abort();
    }
    choices->ptr = grown;
    adj_choice_t *choice = &choices->ptr[choices->len++];
    *choice = (adj_choice_t){.agent = agent, .reason = reason};
    choice->confidence.tag = confidence;
}

bool exports_adj_choose(adj_question_t *task, adj_list_candidate_t *candidates,
                        adj_list_choice_t *answer, adj_string_t *problem) {
    adj_list_choice_t choices = {NULL, 0};
    adj_string_t why = {NULL, 0};
    if (!adj_choose(task, candidates, &choices, &why)) {
        *problem = own(why);
        return false;
    }
    for (size_t i = 0; i < choices.len; i++) {
        choices.ptr[i].agent = own(choices.ptr[i].agent);
        choices.ptr[i].reason = own(choices.ptr[i].reason);
        if (choices.ptr[i].confidence.tag == ADJ_TYPES_CONFIDENCE_OTHER)
            choices.ptr[i].confidence.val.other = own(choices.ptr[i].confidence.val.other);
    }
    *answer = choices;
    return true;
}

#else

static void own_output(adj_option_string_t *output) {
    if (output->is_some) output->val = own(output->val);
}

bool exports_adj_work(adj_task_t *task, adj_report_t *answer, adj_failure_t *failed) {
    adj_report_t report = {0};
    adj_failure_t failure = {0};
    bool done = adj_work(task, &report, &failure);
    if (done) {
        *answer = report;
        answer->summary = own(report.summary);
        own_output(&answer->output_json);
    } else {
        *failed = failure;
        failed->summary = own(failure.summary);
        own_output(&failed->output_json);
    }
    return done;
}

adj_string_t adj_task_text(const adj_task_t *task) {
    adj_string_t text = adj_trim(task->ticket.description);
    return text.len ? text : adj_trim(task->ticket.title);
}

bool adj_fail(adj_failure_t *failure, const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    failure->summary = format_list(format, arguments);
    va_end(arguments);
    return false;
}

bool adj_fail_by(adj_failure_t *failure, const adj_error_t *error) {
    failure->summary = adj_error_text(error);
    return false;
}

const char *adj_error_kind(const adj_error_t *error) {
    static const char *const names[] = {"denied",   "not-found", "invalid",     "limit",
                                        "cancelled", "deadline",  "unavailable", "other"};
    return error->tag < 8 ? names[error->tag] : "other";
}

adj_string_t adj_error_text(const adj_error_t *error) {
    static const char *const otherwise[] = {
        "This is not granted.",       "There is no such thing.", "The arguments were refused.",
        "A limit was reached.",       "The ticket was cancelled.", "Time ran out.",
        "Something outside did not answer.", "The call failed."};
    if (error->tag != ADJ_TYPES_ERROR_INVALID) {
        /* All other cases hold a string at the same place. */
        adj_string_t text = error->val.other;
        return text.len || error->tag > 7 ? text : adj_str(otherwise[error->tag]);
    }
    adj_text_t all = {0};
    for (size_t i = 0; i < error->val.invalid.len; i++) {
        const adj_violation_t *one = &error->val.invalid.ptr[i];
        if (i) adj_add(&all, adj_str("; "));
        if (one->path.len) adj_add_format(&all, "%.*s: ", ADJ_ARG(one->path));
        adj_add(&all, one->message);
    }
    return all.len ? adj_text(&all) : adj_str(otherwise[error->tag]);
}

#endif

#if defined(ADJUTANT_WORLD_BOSS)

delegation_assignment_t adj_assignment(adj_string_t title, adj_string_t description) {
    delegation_assignment_t assignment = {.title = title, .description = description};
    assignment.priority.tag = ADJ_TYPES_PRIORITY_MEDIUM;
    assignment.on_blocker_failure.tag = DELEGATION_BLOCKER_POLICY_FAIL;
    return assignment;
}

bool adj_await_all(const delegation_list_delegated_t *delegated, delegation_joined_t *joined,
                   adj_error_t *error) {
    if (delegated->len == 0) {
        /* No tickets would mean all that were ever delegated. */
        *joined = (delegation_joined_t){.met = true};
        return true;
    }
    adj_list_string_t tickets = {adj_alloc(delegated->len, sizeof *tickets.ptr), delegated->len};
    for (size_t i = 0; i < delegated->len; i++) tickets.ptr[i] = delegated->ptr[i].ticket;
    delegation_join_t all = {.tag = DELEGATION_JOIN_ALL};
    bool met = delegation_await_reports(&tickets, &all, NULL, joined, error);
    free(tickets.ptr);
    return met;
}

adj_string_t adj_outcome_text(const adj_types_outcome_t *outcome) {
    switch (outcome->tag) {
        case ADJ_TYPES_OUTCOME_COMPLETED: return adj_str("completed");
        case ADJ_TYPES_OUTCOME_FAILED: return adj_str("failed");
        case ADJ_TYPES_OUTCOME_CANCELLED: return adj_str("cancelled");
        default: return outcome->val.other;
    }
}

#endif

/* ---- Strings ----------------------------------------------------------------------------------- */

adj_string_t adj_str(const char *text) {
    /* The bindings have no const; nothing writes to what it gets. */
    return (adj_string_t){(uint8_t *)text, strlen(text)};
}

adj_string_t adj_format(const char *format, ...) {
    va_list arguments;
    va_start(arguments, format);
    adj_string_t text = format_list(format, arguments);
    va_end(arguments);
    return text;
}

bool adj_same(adj_string_t a, adj_string_t b) {
    return a.len == b.len && (a.len == 0 || memcmp(a.ptr, b.ptr, a.len) == 0);
}

bool adj_is(adj_string_t a, const char *b) { return adj_same(a, adj_str(b)); }

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

static uint8_t lower(uint8_t c) { return c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c; }

static bool is_word(uint8_t c) {
    return (lower(c) >= 'a' && lower(c) <= 'z') || (c >= '0' && c <= '9') || c >= 0x80;
}

adj_string_t adj_trim(adj_string_t text) {
    while (text.len && is_space(text.ptr[0])) text.ptr++, text.len--;
    while (text.len && is_space(text.ptr[text.len - 1])) text.len--;
    return text;
}

bool adj_next_line(adj_string_t *rest, adj_string_t *line) {
    if (rest->len == 0) return false;
    uint8_t *end = memchr(rest->ptr, '\n', rest->len);
    line->ptr = rest->ptr;
    line->len = end ? (size_t)(end - rest->ptr) : rest->len;
    size_t taken = end ? line->len + 1 : line->len;
    rest->ptr += taken;
    rest->len -= taken;
    if (line->len && line->ptr[line->len - 1] == '\r') line->len--;
    return true;
}

bool adj_next_word(adj_string_t *rest, adj_string_t *word) {
    while (rest->len && !is_word(rest->ptr[0])) rest->ptr++, rest->len--;
    word->ptr = rest->ptr;
    word->len = 0;
    while (rest->len && is_word(rest->ptr[0])) rest->ptr++, rest->len--, word->len++;
    return word->len > 0;
}

bool adj_next_field(adj_string_t *rest, adj_string_t *field) {
    while (rest->len && is_space(rest->ptr[0])) rest->ptr++, rest->len--;
    field->ptr = rest->ptr;
    field->len = 0;
    while (rest->len && !is_space(rest->ptr[0])) rest->ptr++, rest->len--, field->len++;
    return field->len > 0;
}

bool adj_same_word(adj_string_t a, adj_string_t b) {
    if (a.len != b.len) return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.ptr[i]) != lower(b.ptr[i])) return false;
    return true;
}
