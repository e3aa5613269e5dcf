/* Does what a script says, for the conformance suite. */
#include <stdio.h>
#include <time.h>
#include <unistd.h>

#include "values.h"
#include "types.h"

/* A step at work. */
typedef struct {
    const adj_task_t *task;
    const adj_json_t *step;
    const answers_t *known;
    /* Its answer as JSON. */
    adj_text_t answer;
    adj_error_t error;
} step_t;

static const adj_json_t *get(const step_t *step, const char *name) {
    return follow(adj_json_field(step->step, name), step->known);
}

static adj_string_t get_string(const step_t *step, const char *name) {
    return adj_json_string_or(get(step, name), adj_str(""));
}

/* An argument of the host's function, as a variable with the argument's name in C. */
#define ARGUMENT(c, variable, name, type) \
    c variable = {0};                     \
    read_value(adj_json_field(step->step, name), &type, &variable, step->known)
/* One that may be missing: a pointer is null then. */
#define OPTIONAL(c, variable, name, type)          \
    c variable##_option = {0};                     \
    read_value(adj_json_field(step->step, name), &type, &variable##_option, step->known); \
    void *variable = variable##_option.is_some ? &variable##_option.val : NULL
#define STRING_ARGUMENT(variable, name) ARGUMENT(adj_string_t, variable, name, t_string)
#define STRING_OPTIONAL(variable, name) OPTIONAL(adj_option_string_t, variable, name, t_option_string)
#define TIMEOUT OPTIONAL(adj_option_u64_t, timeout, "timeout-ms", t_option_u64)

/* Ends a step by what the host's function says. */
static void answered(step_t *step, bool good, const type_t *type, const void *answer) {
    if (!good) {
        adj_json_begin(&step->answer, '{');
        adj_json_key(&step->answer, "error");
        write_value(&step->answer, &t_error, &step->error);
        adj_json_end(&step->answer, '}');
    } else if (type) {
        write_value(&step->answer, type, answer);
    } else {
        adj_json_null(&step->answer);
    }
}
#define DONE(call) answered(step, call, NULL, NULL)
#define ANSWER(c, type, call)                        \
    do {                                             \
        c answer = {0};                              \
        answered(step, call, &type, &answer);        \
    } while (0)
#define ERROR (&step->error)

#define STEP(word) if (adj_is(name, word))

static bool call_reporting(step_t *step, adj_string_t name) {
    STEP("reporting.progress") {
        STRING_ARGUMENT(note, "note");
        return DONE(reporting_progress(&note, ERROR)), true;
    }
    STEP("reporting.submit-output") {
        STRING_ARGUMENT(output, "output-json");
        return DONE(reporting_submit_output(&output, ERROR)), true;
    }
    STEP("reporting.call-for-report") {
        STRING_ARGUMENT(message, "message");
        TIMEOUT;
        ANSWER(reporting_external_report_t, t_external_report,
               reporting_call_for_report(&message, timeout, &answer, ERROR));
        return true;
    }
    return false;
}

static bool call_channels(step_t *step, adj_string_t name) {
    STEP("channels.post") {
        STRING_OPTIONAL(ticket, "ticket");
        STRING_ARGUMENT(text, "text");
        STRING_OPTIONAL(reply_to, "reply-to");
        ANSWER(adj_string_t, t_string, channels_post(ticket, &text, reply_to, &answer, ERROR));
        return true;
    }
    STEP("channels.mention") {
        ARGUMENT(adj_list_string_t, members, "members", t_strings);
        STRING_ARGUMENT(text, "text");
        ANSWER(adj_string_t, t_string, channels_mention(&members, &text, &answer, ERROR));
        return true;
    }
    STEP("channels.read") {
        STRING_OPTIONAL(ticket, "ticket");
        ARGUMENT(uint64_t, after, "after", t_u64);
        ARGUMENT(uint32_t, limit, "limit", t_u32);
        ANSWER(channels_page_t, t_page, channels_read(ticket, after, limit, &answer, ERROR));
        return true;
    }
    STEP("channels.ask") {
        STRING_ARGUMENT(member, "member");
        STRING_ARGUMENT(text, "text");
        TIMEOUT;
        ANSWER(channels_message_t, t_message, channels_ask(&member, &text, timeout, &answer, ERROR));
        return true;
    }
    return false;
}

static bool call_tickets(step_t *step, adj_string_t name) {
    STEP("tickets.create") {
        ARGUMENT(tickets_draft_t, draft, "draft", t_draft);
        ANSWER(adj_string_t, t_string, tickets_create(&draft, &answer, ERROR));
        return true;
    }
    STEP("tickets.assign") {
        STRING_ARGUMENT(ticket, "ticket");
        STRING_ARGUMENT(agent, "agent");
        return DONE(tickets_assign(&ticket, &agent, ERROR)), true;
    }
    STEP("tickets.get") {
        STRING_ARGUMENT(ticket, "ticket");
        ANSWER(tickets_ticket_t, t_ticket, tickets_get(&ticket, &answer, ERROR));
        return true;
    }
    STEP("tickets.list") {
        ARGUMENT(tickets_filter_t, filter, "filter", t_filter);
        ANSWER(tickets_list_ticket_t, t_list_ticket, tickets_list(&filter, &answer, ERROR));
        return true;
    }
    STEP("tickets.comment") {
        STRING_ARGUMENT(ticket, "ticket");
        STRING_ARGUMENT(text, "text");
        return DONE(tickets_comment(&ticket, &text, ERROR)), true;
    }
    STEP("tickets.add-collaborator") {
        STRING_ARGUMENT(agent, "agent");
        return DONE(tickets_add_collaborator(&agent, ERROR)), true;
    }
    STEP("tickets.link") {
        STRING_ARGUMENT(ticket, "ticket");
        STRING_ARGUMENT(kind, "kind");
        return DONE(tickets_link(&ticket, &kind, ERROR)), true;
    }
    return false;
}

static bool call_memory(step_t *step, adj_string_t name) {
    STEP("memory.get") {
        STRING_ARGUMENT(key, "key");
        ANSWER(adj_option_list_u8_t, t_option_bytes, memory_get(&key, &answer, ERROR));
        return true;
    }
    STEP("memory.put") {
        STRING_ARGUMENT(key, "key");
        ARGUMENT(adj_list_u8_t, value, "value", t_bytes);
        return DONE(memory_put(&key, &value, ERROR)), true;
    }
    STEP("memory.remove") {
        STRING_ARGUMENT(key, "key");
        return DONE(memory_remove(&key, ERROR)), true;
    }
    STEP("memory.keys") {
        STRING_ARGUMENT(prefix, "prefix");
        ANSWER(adj_list_string_t, t_strings, memory_keys(&prefix, &answer, ERROR));
        return true;
    }
    return false;
}

static bool call_worktree(step_t *step, adj_string_t name) {
    STEP("worktree.read") {
        STRING_ARGUMENT(path, "path");
        ANSWER(adj_list_u8_t, t_bytes, worktree_read(&path, &answer, ERROR));
        return true;
    }
    STEP("worktree.write") {
        STRING_ARGUMENT(path, "path");
        ARGUMENT(adj_list_u8_t, content, "content", t_bytes);
        return DONE(worktree_write(&path, &content, ERROR)), true;
    }
    STEP("worktree.remove") {
        STRING_ARGUMENT(path, "path");
        return DONE(worktree_remove(&path, ERROR)), true;
    }
    STEP("worktree.list") {
        STRING_ARGUMENT(path, "path");
        ANSWER(worktree_list_entry_t, t_list_entry, worktree_list(&path, &answer, ERROR));
        return true;
    }
    STEP("worktree.diff") {
        ANSWER(adj_string_t, t_string, worktree_diff(&answer, ERROR));
        return true;
    }
    STEP("worktree.commit") {
        STRING_ARGUMENT(message, "message");
        ANSWER(adj_option_string_t, t_option_string, worktree_commit(&message, &answer, ERROR));
        return true;
    }
    STEP("worktree.run") {
        ARGUMENT(adj_list_string_t, command, "command", t_strings);
        TIMEOUT;
        ANSWER(worktree_exit_t, t_exit, worktree_run(&command, timeout, &answer, ERROR));
        return true;
    }
    return false;
}

static bool call_delegation(step_t *step, adj_string_t name) {
#ifdef ADJUTANT_WORLD_BOSS
    STEP("delegation.team") {
        ANSWER(delegation_list_member_t, t_list_member, delegation_team(&answer, ERROR));
        return true;
    }
    STEP("delegation.budget-left") {
        ANSWER(delegation_budget_t, t_budget, delegation_budget_left(&answer, ERROR));
        return true;
    }
    STEP("delegation.propose-plan") {
        ARGUMENT(delegation_work_plan_t, plan, "plan", t_work_plan);
        return DONE(delegation_propose_plan(&plan, ERROR)), true;
    }
    STEP("delegation.delegate") {
        ARGUMENT(delegation_list_assignment_t, assignments, "assignments", t_list_assignment);
        ANSWER(delegation_list_delegated_t, t_list_delegated,
               delegation_delegate(&assignments, &answer, ERROR));
        return true;
    }
    STEP("delegation.await-reports") {
        ARGUMENT(adj_list_string_t, tickets, "tickets", t_strings);
        ARGUMENT(delegation_join_t, join, "join", t_join);
        TIMEOUT;
        ANSWER(delegation_joined_t, t_joined,
               delegation_await_reports(&tickets, &join, timeout, &answer, ERROR));
        return true;
    }
    STEP("delegation.cancel") {
        STRING_ARGUMENT(ticket, "ticket");
        STRING_ARGUMENT(reason, "reason");
        return DONE(delegation_cancel(&ticket, &reason, ERROR)), true;
    }
    STEP("delegation.reassign") {
        STRING_ARGUMENT(ticket, "ticket");
        STRING_ARGUMENT(assignee, "assignee");
        STRING_ARGUMENT(reason, "reason");
        return DONE(delegation_reassign(&ticket, &assignee, &reason, ERROR)), true;
    }
#else
    (void)step, (void)name;
#endif
    return false;
}

static void print(step_t *step, FILE *to) {
    fprintf(to, "%.*s\n", ADJ_ARG(get_string(step, "text")));
    fflush(to);
    adj_json_null(&step->answer);
}

static void read_clocks(step_t *step) {
    struct timespec wall, monotonic;
    clock_gettime(CLOCK_REALTIME, &wall);
    clock_gettime(CLOCK_MONOTONIC, &monotonic);
    adj_json_begin(&step->answer, '{');
    adj_json_key(&step->answer, "wall-ms");
    adj_json_string(&step->answer, adj_format("%lld", wall.tv_sec * 1000ll + wall.tv_nsec / 1000000));
    adj_json_key(&step->answer, "monotonic-ns");
    adj_json_string(&step->answer,
                    adj_format("%lld", monotonic.tv_sec * 1000000000ll + monotonic.tv_nsec));
    adj_json_end(&step->answer, '}');
}

static void allocate(step_t *step) {
    size_t size = adj_json_u64_or(get(step, "bytes"), 0);
    volatile char *memory = malloc(size);
    if (!memory) abort();
    for (size_t i = 0; i < size; i += 4096) memory[i] = 1;
    free((void *)memory);
    adj_json_u64(&step->answer, size);
}

/* The steps that the interpreter does itself; false where there is none of this name. */
static bool do_itself(step_t *step, adj_string_t name) {
    STEP("task") return write_value(&step->answer, &t_task, step->task), true;
    STEP("clock") return read_clocks(step), true;
    STEP("random") {
        uint8_t bytes[16];
        if (getentropy(bytes, sizeof bytes)) abort();
        return write_hex(&step->answer, (adj_string_t){bytes, sizeof bytes}), true;
    }
    STEP("print") return print(step, stdout), true;
    STEP("eprint") return print(step, stderr), true;
    STEP("allocate") return allocate(step), true;
    STEP("trap") {
        fprintf(stderr, "%.*s\n", ADJ_ARG(get_string(step, "text")));
        abort();
    }
    STEP("spin") for (volatile int count = 0;; count = count + 1);
    return false;
}

static adj_option_string_t get_output(const step_t *step) {
    const adj_json_t *output = get(step, "output");
    adj_text_t text = {0};
    if (!output || output->kind == ADJ_JSON_NULL) return (adj_option_string_t){0};
    copy_json(&text, output, step->known);
    return (adj_option_string_t){true, adj_text(&text)};
}

bool adj_work(const adj_task_t *task, adj_report_t *report, adj_failure_t *failure) {
    adj_string_t problem, text = task->ticket.description;
    bool own = text.len && text.ptr[0] == '[';
    const adj_json_t *script = adj_json_read(own ? text : task->config_json, &problem);
    if (!script) return adj_fail(failure, "%.*s", ADJ_ARG(problem));
    if (!own) script = adj_json_field(script, "script");
    if (!script || script->kind != ADJ_JSON_LIST) return adj_fail(failure, "There is no script.");

    adj_text_t all = {0};
    answers_t known = {adj_alloc(script->count, sizeof *known.answers), 0};
    adj_json_begin(&all, '[');
    for (size_t i = 0; i < script->count; i++) {
        step_t step = {.task = task, .step = &script->items[i], .known = &known};
        adj_string_t name = get_string(&step, "do");
        const adj_json_t *attempt = get(&step, "if-attempt");
        if (attempt && adj_json_u64_or(attempt, 0) != task->attempt) {
            adj_json_null(&step.answer);
        } else if (adj_is(name, "report")) {
            *report = (adj_report_t){get_string(&step, "summary"), get_output(&step)};
            return true;
        } else if (adj_is(name, "fail")) {
            *failure = (adj_failure_t){get_string(&step, "summary"), get_output(&step)};
            return false;
        } else if (!do_itself(&step, name) && !call_reporting(&step, name) &&
                   !call_channels(&step, name) && !call_tickets(&step, name) &&
                   !call_memory(&step, name) && !call_worktree(&step, name) &&
                   !call_delegation(&step, name)) {
            return adj_fail(failure, "unknown step: %.*s", ADJ_ARG(name));
        }
        adj_json_raw(&all, adj_text(&step.answer));
        known.answers[known.count++] = adj_json_read(adj_text(&step.answer), NULL);
    }
    adj_json_end(&all, ']');
    *report = (adj_report_t){adj_str("script done"), {true, adj_text(&all)}};
    return true;
}
