/* Chooses by the conformance suite's rule. */
#include <stdio.h>

#include "../../values.h"

#define Q adj_question_t
#define C adj_candidate_t
RECORD_OF(t_question, Q, FIELD(Q, title, "title", t_string),
          FIELD(Q, description, "description", t_string), FIELD(Q, request, "request", t_string),
          FIELD(Q, config_json, "config-json", t_string));
RECORD_OF(t_candidate, C, FIELD(C, agent, "agent", t_agent),
          FIELD(C, status, "status", t_tracking_status), FIELD(C, queued, "queued", t_u32));

static bool can(const adj_agent_t *agent, adj_string_t what) {
    for (size_t i = 0; i < agent->skills.len; i++)
        if (adj_same(agent->skills.ptr[i], what)) return true;
    return false;
}

bool adj_choose(const adj_question_t *task, const adj_list_candidate_t *candidates,
                adj_list_choice_t *choices, adj_string_t *problem) {
    static const char error[] = "error: ";
    size_t len = sizeof error - 1;
    if (adj_is(task->title, "trap")) {
        fprintf(stderr, "%.*s\n", ADJ_ARG(task->description));
        abort();
    }
    if (task->title.len >= len && memcmp(task->title.ptr, error, len) == 0) {
        *problem = (adj_string_t){task->title.ptr + len, task->title.len - len};
        return false;
    }
    for (size_t i = 0; i < candidates->len; i++) {
        const adj_candidate_t *one = &candidates->ptr[i];
        if (!can(&one->agent, task->description)) continue;
        adj_text_t reason = {0};
        adj_json_begin(&reason, '{');
        adj_json_key(&reason, "question");
        write_value(&reason, &t_question, task);
        adj_json_key(&reason, "candidate");
        write_value(&reason, &t_candidate, one);
        adj_json_end(&reason, '}');
        uint8_t confidence =
            one->status.tag == ADJ_TYPES_TRACKING_STATUS_IDLE      ? ADJ_TYPES_CONFIDENCE_HIGH
            : one->status.tag == ADJ_TYPES_TRACKING_STATUS_WORKING ? ADJ_TYPES_CONFIDENCE_MEDIUM
                                                                   : ADJ_TYPES_CONFIDENCE_LOW;
        adj_add_choice(choices, one->agent.id, adj_text(&reason), confidence);
    }
    return true;
}
