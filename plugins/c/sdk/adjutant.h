/* Write a strategy for Adjutant in C.
 *
 * A strategy is plain, imperative code. It defines one function:
 *
 *     bool adj_work(const adj_task_t *task, adj_report_t *report, adj_failure_t *failure);
 *
 * or, for a selector,
 *
 *     bool adj_choose(const adj_question_t *task, const adj_list_candidate_t *candidates,
 *                     adj_list_choice_t *choices, adj_string_t *problem);
 *
 * The host's functions are those of the contract: delegation_delegate, worktree_run, memory_get and so
 * on, declared in adj.h, which is generated for the strategy's world. A call looks like any other call,
 * and may take microseconds or days. It answers false where it failed; then its last argument says why.
 *
 * Memory: a run is one call, and its memory goes when it ends. Whatever this header gives is good until
 * then, and nothing has to be freed. What the host gives may be freed early (adj.h has a function
 * `…_free` for each type) where a strategy reads very much.
 *
 * What is printed to stdout and stderr is kept in the run's log. There are a clock and random numbers,
 * both the same on each replay, and nothing else: no files, no sockets, no environment, no sleep.
 */
#ifndef ADJUTANT_H
#define ADJUTANT_H

#include <stdarg.h>

#include "adj.h"

#ifdef __cplusplus
extern "C" {
#endif

/* ---- The strategy ------------------------------------------------------------------------------ */

typedef adj_types_violation_t adj_violation_t;
typedef adj_types_agent_t adj_agent_t;
typedef adj_types_confidence_t adj_confidence_t;
typedef adj_types_tracking_status_t adj_tracking_status_t;

#if defined(ADJUTANT_WORLD_SELECTOR)

/* Defined by the strategy: whom to give the task to, best first; no choice says that nobody fits. False
 * where no choice could be made at all, with the reason in `problem`. */
bool adj_choose(const adj_question_t *task, const adj_list_candidate_t *candidates,
                adj_list_choice_t *choices, adj_string_t *problem);

/* Adds a choice at the end. `confidence` is ADJ_TYPES_CONFIDENCE_HIGH, _MEDIUM or _LOW. */
void adj_add_choice(adj_list_choice_t *choices, adj_string_t agent, adj_string_t reason,
                    uint8_t confidence);

#else

typedef adj_types_error_t adj_error_t;
typedef adj_types_ticket_t adj_ticket_t;

/* Defined by the strategy: do the task. True with a report, false with a failure; both begin empty. */
bool adj_work(const adj_task_t *task, adj_report_t *report, adj_failure_t *failure);

/* What is to be done: the ticket's description, or its title where that is empty. */
adj_string_t adj_task_text(const adj_task_t *task);

/* Sets the failure's summary, as printf does, and answers false: `return adj_fail(failure, "…")`. */
bool adj_fail(adj_failure_t *failure, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The same with what a host call said. */
bool adj_fail_by(adj_failure_t *failure, const adj_error_t *error);

/* The error's name in the contract, such as `not-found`. */
const char *adj_error_kind(const adj_error_t *error);

/* The error as a sentence. */
adj_string_t adj_error_text(const adj_error_t *error);

#endif

#if defined(ADJUTANT_WORLD_BOSS)

/* An assignment with a title and a description; whoever fits best gets it, with medium priority. Set
 * other fields as you like. */
delegation_assignment_t adj_assignment(adj_string_t title, adj_string_t description);

/* Waits until all of these delegations are over, for as long as it takes. */
bool adj_await_all(const delegation_list_delegated_t *delegated, delegation_joined_t *joined,
                   adj_error_t *error);

/* The outcome's name in the contract, such as `completed`. */
adj_string_t adj_outcome_text(const adj_types_outcome_t *outcome);

#endif

/* ---- Strings ----------------------------------------------------------------------------------- */

/* Strings have a length and no zero at the end. */

/* A string of a C string, not copied. */
adj_string_t adj_str(const char *text);

/* A new string, made as printf does. Strings go in by `"%.*s"` and ADJ_ARG. */
adj_string_t adj_format(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* A string as two arguments of printf's `%.*s`. */
#define ADJ_ARG(string) (int)(string).len, (const char *)(string).ptr

/* Whether two strings are the same. */
bool adj_same(adj_string_t a, adj_string_t b);

/* Whether a string is this C string. */
bool adj_is(adj_string_t a, const char *b);

/* A string without white space at its ends; not copied. */
adj_string_t adj_trim(adj_string_t text);

/* Takes the next line off the beginning of `rest`; false when there is none left. */
bool adj_next_line(adj_string_t *rest, adj_string_t *line);

/* Takes the next word: ASCII letters and digits, and whatever is not ASCII. */
bool adj_next_word(adj_string_t *rest, adj_string_t *word);

/* Takes what stands before the next white space. */
bool adj_next_field(adj_string_t *rest, adj_string_t *field);

/* Whether two words are the same, ASCII capitals or not. */
bool adj_same_word(adj_string_t a, adj_string_t b);

/* ---- Text and JSON, written -------------------------------------------------------------------- */

/* A text that grows. Begin with `adj_text_t text = {0};`. */
typedef struct {
    char *ptr;
    size_t len;
    size_t room;
    /* Whether a comma is due before the next JSON value. */
    bool comma;
} adj_text_t;

void adj_add(adj_text_t *text, adj_string_t string);
void adj_add_format(adj_text_t *text, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* What was written. */
adj_string_t adj_text(const adj_text_t *text);

/* JSON: commas are set by themselves. An object is `{`, then `key` and a value again and again, then
 * `}`: adj_json_begin(&text, '{'), adj_json_key(&text, "n"), adj_json_u64(&text, 1),
 * adj_json_end(&text, '}'). Lists have `[` and `]`. */
void adj_json_begin(adj_text_t *text, char bracket);
void adj_json_end(adj_text_t *text, char bracket);
void adj_json_key(adj_text_t *text, const char *key);
void adj_json_string(adj_text_t *text, adj_string_t value);
void adj_json_u64(adj_text_t *text, uint64_t value);
void adj_json_s64(adj_text_t *text, int64_t value);
void adj_json_bool(adj_text_t *text, bool value);
void adj_json_null(adj_text_t *text);
/* A value that is JSON already. */
void adj_json_raw(adj_text_t *text, adj_string_t json);

/* ---- JSON, read -------------------------------------------------------------------------------- */

typedef enum {
    ADJ_JSON_NULL,
    ADJ_JSON_BOOL,
    ADJ_JSON_NUMBER,
    ADJ_JSON_STRING,
    ADJ_JSON_LIST,
    ADJ_JSON_OBJECT,
} adj_json_kind_t;

/* A value that was read. */
typedef struct adj_json {
    adj_json_kind_t kind;
    bool boolean;
    /* A string's content, a number's digits, or whatever stands in the JSON text. */
    adj_string_t text;
    /* The value as it stands in the JSON text. */
    adj_string_t raw;
    /* In a list or an object. */
    size_t count;
    struct adj_json *items;
    /* In an object: the key of each item. */
    adj_string_t *keys;
} adj_json_t;

/* Reads a text. NULL where it is not JSON; then `problem`, where it is not NULL, says what is wrong. */
const adj_json_t *adj_json_read(adj_string_t text, adj_string_t *problem);

/* An object's field; NULL where there is none, also where `object` is NULL or no object. */
const adj_json_t *adj_json_field(const adj_json_t *object, const char *name);

/* A number as an integer; `otherwise` where it is none, or does not fit, or `value` is NULL. */
int64_t adj_json_s64_or(const adj_json_t *value, int64_t otherwise);
uint64_t adj_json_u64_or(const adj_json_t *value, uint64_t otherwise);

/* A string; `otherwise` where it is none. */
adj_string_t adj_json_string_or(const adj_json_t *value, adj_string_t otherwise);

/* ---- Memory ------------------------------------------------------------------------------------ */

/* Memory set to zero. Where there is none left, it says so and ends the run. */
void *adj_alloc(size_t count, size_t size);

#ifdef __cplusplus
}
#endif
#endif
