/* Has each line of a task done by whoever fits, all at once, and gathers the reports. */
#include <adjutant.h>

/* The task's next line that is not empty. */
static bool next_task(adj_string_t *rest, adj_string_t *line) {
    while (adj_next_line(rest, line)) {
        *line = adj_trim(*line);
        if (line->len) return true;
    }
    return false;
}

/* An assignment of each line, for the selector to choose; of a single line one for each member. */
static delegation_list_assignment_t split(adj_string_t text, const delegation_list_member_t *team) {
    adj_string_t rest = text, line;
    size_t lines = 0;
    while (next_task(&rest, &line)) lines++;

    delegation_list_assignment_t all = {NULL, lines == 1 ? team->len : lines};
    all.ptr = adj_alloc(all.len, sizeof *all.ptr);
    rest = text;
    for (size_t i = 0; i < all.len; i++) {
        if (lines > 1 || i == 0) next_task(&rest, &line);
        all.ptr[i] = adj_assignment(line, line);
        if (lines == 1)
            all.ptr[i].assignee = (adj_option_string_t){true, team->ptr[i].agent.id};
    }
    return all;
}

static bool propose(const adj_task_t *task, const delegation_list_assignment_t *assignments,
                    adj_error_t *error) {
    delegation_plan_task_t *tasks = adj_alloc(assignments->len, sizeof *tasks);
    for (size_t i = 0; i < assignments->len; i++) {
        tasks[i].id = adj_format("task-%zu", i + 1);
        tasks[i].description = assignments->ptr[i].title;
        tasks[i].assign_to_agent = assignments->ptr[i].assignee;
        tasks[i].priority.tag = ADJ_TYPES_PRIORITY_MEDIUM;
    }
    delegation_plan_phase_t phase = {
        .id = adj_str("all"),
        .name = adj_str("All at once"),
        .parallel = true,
        .tasks = {tasks, assignments->len},
    };
    delegation_work_plan_t plan = {.name = task->ticket.title, .phases = {&phase, 1}};
    return delegation_propose_plan(&plan, error);
}

static void tell(const delegation_joined_t *joined, adj_report_t *report) {
    adj_text_t summary = {0}, output = {0};
    adj_json_begin(&output, '[');
    for (size_t i = 0; i < joined->reports.len; i++) {
        const delegation_task_report_t *one = &joined->reports.ptr[i];
        adj_string_t outcome = adj_outcome_text(&one->outcome);
        adj_add_format(&summary, "%s- %.*s (%.*s): %.*s", i ? "\n" : "", ADJ_ARG(one->title),
                       ADJ_ARG(outcome), ADJ_ARG(one->summary));
        adj_json_begin(&output, '{');
        adj_json_key(&output, "task");
        adj_json_string(&output, one->title);
        adj_json_key(&output, "agent");
        adj_json_string(&output, one->agent_name);
        adj_json_key(&output, "outcome");
        adj_json_string(&output, outcome);
        adj_json_key(&output, "output");
        adj_json_raw(&output, one->output_json.is_some ? one->output_json.val : adj_str("null"));
        adj_json_end(&output, '}');
    }
    adj_json_end(&output, ']');
    report->summary = adj_text(&summary);
    report->output_json = (adj_option_string_t){true, adj_text(&output)};
}

bool adj_work(const adj_task_t *task, adj_report_t *report, adj_failure_t *failure) {
    adj_error_t error;
    delegation_list_member_t team;
    if (!delegation_team(&team, &error)) return adj_fail_by(failure, &error);
    if (team.len == 0)
        return adj_fail(failure, "There is nobody to delegate to: this boss has no team.");

    delegation_list_assignment_t assignments = split(adj_task_text(task), &team);
    delegation_list_delegated_t delegated;
    delegation_joined_t joined;
    /* The host may drop this component from memory while it awaits, and bring it back. */
    if (!propose(task, &assignments, &error) ||
        !delegation_delegate(&assignments, &delegated, &error) ||
        !adj_await_all(&delegated, &joined, &error))
        return adj_fail_by(failure, &error);
    tell(&joined, report);
    return true;
}
