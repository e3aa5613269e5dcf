/* The types of the contract as tables, for what values.h does with them. Included by script.h. */

/* types */
RECORD_OF(t_violation, adj_types_violation_t, FIELD(adj_types_violation_t, path, "path", t_string),
          FIELD(adj_types_violation_t, message, "message", t_string));
LIST_OF(t_list_violation, t_violation);
VARIANT_OF(t_error, adj_types_error_t, HOLDS("denied", t_string), HOLDS("not-found", t_string),
           HOLDS("invalid", t_list_violation), HOLDS("limit", t_string), HOLDS("cancelled", t_string),
           HOLDS("deadline", t_string), HOLDS("unavailable", t_string), HOLDS("other", t_string));
VARIANT_OF(t_ticket_status, adj_types_ticket_status_t, CASE("backlog"), CASE("open"),
           CASE("in-progress"), CASE("blocked"), CASE("in-review"), CASE("done"), CASE("failed"),
           CASE("cancelled"), HOLDS("other", t_string));
VARIANT_OF(t_priority, adj_types_priority_t, CASE("high"), CASE("medium"), CASE("low"),
           HOLDS("other", t_string));
VARIANT_OF(t_confidence, adj_types_confidence_t, CASE("high"), CASE("medium"), CASE("low"),
           HOLDS("other", t_string));
VARIANT_OF(t_outcome, adj_types_outcome_t, CASE("completed"), CASE("failed"), CASE("cancelled"),
           HOLDS("other", t_string));
OPTION_OF(t_option_u64, adj_option_u64_t, t_u64);
OPTION_OF(t_option_u32, adj_option_u32_t, t_u32);
RECORD_OF(t_budget, adj_types_budget_t, FIELD(adj_types_budget_t, wall_ms, "wall-ms", t_option_u64),
          FIELD(adj_types_budget_t, guest_ms, "guest-ms", t_option_u64),
          FIELD(adj_types_budget_t, tokens, "tokens", t_option_u64),
          FIELD(adj_types_budget_t, cost_microusd, "cost-microusd", t_option_u64),
          FIELD(adj_types_budget_t, children, "children", t_option_u32),
          FIELD(adj_types_budget_t, depth, "depth", t_option_u32));
RECORD_OF(t_spend, adj_types_spend_t, FIELD(adj_types_spend_t, guest_ms, "guest-ms", t_u64),
          FIELD(adj_types_spend_t, tokens, "tokens", t_u64),
          FIELD(adj_types_spend_t, cost_microusd, "cost-microusd", t_u64),
          FIELD(adj_types_spend_t, children, "children", t_u32));
RECORD_OF(t_past_attempt, adj_types_past_attempt_t,
          FIELD(adj_types_past_attempt_t, attempt, "attempt", t_u32),
          FIELD(adj_types_past_attempt_t, agent, "agent", t_string),
          FIELD(adj_types_past_attempt_t, at, "at", t_u64),
          FIELD(adj_types_past_attempt_t, reason, "reason", t_string));
OPTION_OF(t_option_string, adj_option_string_t, t_string);
RECORD_OF(t_ticket, adj_types_ticket_t, FIELD(adj_types_ticket_t, id, "id", t_string),
          FIELD(adj_types_ticket_t, title, "title", t_string),
          FIELD(adj_types_ticket_t, description, "description", t_string),
          FIELD(adj_types_ticket_t, status, "status", t_ticket_status),
          FIELD(adj_types_ticket_t, assignee, "assignee", t_option_string),
          FIELD(adj_types_ticket_t, parent, "parent", t_option_string),
          FIELD(adj_types_ticket_t, delegated_by, "delegated-by", t_option_string),
          FIELD(adj_types_ticket_t, expected_output_schema_json, "expected-output-schema-json", t_option_string),
          FIELD(adj_types_ticket_t, output_json, "output-json", t_option_string),
          FIELD(adj_types_ticket_t, summary, "summary", t_string));
RECORD_OF(t_task, adj_types_task_t, FIELD(adj_types_task_t, ticket, "ticket", t_ticket),
          FIELD(adj_types_task_t, agent, "agent", t_agent),
          FIELD(adj_types_task_t, briefing, "briefing", t_string),
          FIELD(adj_types_task_t, request, "request", t_string),
          FIELD(adj_types_task_t, config_json, "config-json", t_string),
          FIELD(adj_types_task_t, attempt, "attempt", t_u32),
          FIELD(adj_types_task_t, violations, "violations", t_list_violation));

/* reporting */
RECORD_OF(t_external_report, reporting_external_report_t,
          FIELD(reporting_external_report_t, outcome, "outcome", t_outcome),
          FIELD(reporting_external_report_t, summary, "summary", t_string),
          FIELD(reporting_external_report_t, output_json, "output-json", t_option_string));

/* channels */
VARIANT_OF(t_author, channels_author_t, HOLDS("agent", t_string), HOLDS("person", t_string),
           CASE("host"), HOLDS("other", t_string));
VARIANT_OF(t_message_kind, channels_message_kind_t, CASE("text"), CASE("progress"), CASE("question"),
           CASE("task"), CASE("report"), HOLDS("other", t_string));
RECORD_OF(t_message, channels_message_t, FIELD(channels_message_t, id, "id", t_string),
          FIELD(channels_message_t, index, "index", t_u64),
          FIELD(channels_message_t, author, "author", t_author),
          FIELD(channels_message_t, kind, "kind", t_message_kind),
          FIELD(channels_message_t, text, "text", t_string),
          FIELD(channels_message_t, mentions, "mentions", t_strings),
          FIELD(channels_message_t, reply_to, "reply-to", t_option_string),
          FIELD(channels_message_t, at, "at", t_u64));
LIST_OF(t_list_message, t_message);
RECORD_OF(t_page, channels_page_t, FIELD(channels_page_t, messages, "messages", t_list_message),
          FIELD(channels_page_t, cursor, "cursor", t_u64),
          FIELD(channels_page_t, more, "more", t_bool));

/* tickets */
RECORD_OF(t_draft, tickets_draft_t, FIELD(tickets_draft_t, title, "title", t_string),
          FIELD(tickets_draft_t, description, "description", t_string),
          FIELD(tickets_draft_t, expected_output_schema_json, "expected-output-schema-json", t_option_string),
          FIELD(tickets_draft_t, key, "key", t_option_string));
OPTION_OF(t_option_ticket_status, tickets_option_ticket_status_t, t_ticket_status);
RECORD_OF(t_filter, tickets_filter_t, FIELD(tickets_filter_t, status, "status", t_option_ticket_status),
          FIELD(tickets_filter_t, assignee, "assignee", t_option_string),
          FIELD(tickets_filter_t, parent, "parent", t_option_string));
LIST_OF(t_list_ticket, t_ticket);

/* memory */
static const type_t t_bytes = {.kind = BYTES, .size = sizeof(adj_list_u8_t)};
OPTION_OF(t_option_bytes, adj_option_list_u8_t, t_bytes);

/* worktree */
VARIANT_OF(t_entry_kind, worktree_entry_kind_t, CASE("file"), CASE("directory"), CASE("symlink"),
           HOLDS("other", t_string));
RECORD_OF(t_entry, worktree_entry_t, FIELD(worktree_entry_t, name, "name", t_string),
          FIELD(worktree_entry_t, kind, "kind", t_entry_kind),
          FIELD(worktree_entry_t, size, "size", t_u64));
static const type_t t_s32 = {.kind = S32, .size = sizeof(int32_t)};
OPTION_OF(t_option_s32, adj_option_s32_t, t_s32);
RECORD_OF(t_exit, worktree_exit_t, FIELD(worktree_exit_t, code, "code", t_option_s32),
          FIELD(worktree_exit_t, stdout_, "stdout", t_string),
          FIELD(worktree_exit_t, stderr_, "stderr", t_string),
          FIELD(worktree_exit_t, truncated, "truncated", t_bool),
          FIELD(worktree_exit_t, elapsed_ms, "elapsed-ms", t_u64));
LIST_OF(t_list_entry, t_entry);

#ifdef ADJUTANT_WORLD_BOSS

/* delegation */
RECORD_OF(t_member, delegation_member_t, FIELD(delegation_member_t, agent, "agent", t_agent),
          FIELD(delegation_member_t, status, "status", t_tracking_status),
          FIELD(delegation_member_t, current, "current", t_strings),
          FIELD(delegation_member_t, queued, "queued", t_u32),
          FIELD(delegation_member_t, last_report_at, "last-report-at", t_option_u64));
RECORD_OF(t_plan_task, delegation_plan_task_t, FIELD(delegation_plan_task_t, id, "id", t_string),
          FIELD(delegation_plan_task_t, description, "description", t_string),
          FIELD(delegation_plan_task_t, suggested_class, "suggested-class", t_string),
          FIELD(delegation_plan_task_t, assign_to_agent, "assign-to-agent", t_option_string),
          FIELD(delegation_plan_task_t, priority, "priority", t_priority),
          FIELD(delegation_plan_task_t, blocked_by, "blocked-by", t_strings));
LIST_OF(t_list_plan_task, t_plan_task);
RECORD_OF(t_plan_phase, delegation_plan_phase_t, FIELD(delegation_plan_phase_t, id, "id", t_string),
          FIELD(delegation_plan_phase_t, name, "name", t_string),
          FIELD(delegation_plan_phase_t, parallel, "parallel", t_bool),
          FIELD(delegation_plan_phase_t, depends_on, "depends-on", t_strings),
          FIELD(delegation_plan_phase_t, tasks, "tasks", t_list_plan_task));
LIST_OF(t_list_plan_phase, t_plan_phase);
RECORD_OF(t_work_plan, delegation_work_plan_t, FIELD(delegation_work_plan_t, name, "name", t_string),
          FIELD(delegation_work_plan_t, description, "description", t_string),
          FIELD(delegation_work_plan_t, phases, "phases", t_list_plan_phase));
VARIANT_OF(t_blocker_policy, delegation_blocker_policy_t, CASE("fail"), CASE("release"),
           HOLDS("other", t_string));
RECORD_OF(t_retry, delegation_retry_t, FIELD(delegation_retry_t, attempts, "attempts", t_u32),
          FIELD(delegation_retry_t, backoff_ms, "backoff-ms", t_u64),
          FIELD(delegation_retry_t, max_backoff_ms, "max-backoff-ms", t_u64),
          FIELD(delegation_retry_t, reassign, "reassign", t_u32));
OPTION_OF(t_option_retry, delegation_option_retry_t, t_retry);
OPTION_OF(t_option_budget, delegation_option_budget_t, t_budget);
RECORD_OF(t_assignment, delegation_assignment_t,
          FIELD(delegation_assignment_t, title, "title", t_string),
          FIELD(delegation_assignment_t, description, "description", t_string),
          FIELD(delegation_assignment_t, assignee, "assignee", t_option_string),
          FIELD(delegation_assignment_t, notes, "notes", t_string),
          FIELD(delegation_assignment_t, expected_output_schema_json, "expected-output-schema-json", t_option_string),
          FIELD(delegation_assignment_t, permissive, "permissive", t_bool),
          FIELD(delegation_assignment_t, deadline_ms, "deadline-ms", t_option_u64),
          FIELD(delegation_assignment_t, key, "key", t_option_string),
          FIELD(delegation_assignment_t, priority, "priority", t_priority),
          FIELD(delegation_assignment_t, group, "group", t_option_string),
          FIELD(delegation_assignment_t, blocked_by, "blocked-by", t_strings),
          FIELD(delegation_assignment_t, on_blocker_failure, "on-blocker-failure", t_blocker_policy),
          FIELD(delegation_assignment_t, retry, "retry", t_option_retry),
          FIELD(delegation_assignment_t, budget, "budget", t_option_budget),
          FIELD(delegation_assignment_t, silence_ms, "silence-ms", t_option_u64));
RECORD_OF(t_delegated, delegation_delegated_t,
          FIELD(delegation_delegated_t, ticket, "ticket", t_string),
          FIELD(delegation_delegated_t, assignee, "assignee", t_string),
          FIELD(delegation_delegated_t, assignee_name, "assignee-name", t_string),
          FIELD(delegation_delegated_t, reason, "reason", t_string),
          FIELD(delegation_delegated_t, confidence, "confidence", t_confidence));
VARIANT_OF(t_join, delegation_join_t, CASE("all"), CASE("any"), HOLDS("quorum", t_u32),
           HOLDS("deadline", t_u64), HOLDS("other", t_string));
LIST_OF(t_list_past_attempt, t_past_attempt);
RECORD_OF(t_task_report, delegation_task_report_t,
          FIELD(delegation_task_report_t, ticket, "ticket", t_string),
          FIELD(delegation_task_report_t, title, "title", t_string),
          FIELD(delegation_task_report_t, agent, "agent", t_string),
          FIELD(delegation_task_report_t, agent_name, "agent-name", t_string),
          FIELD(delegation_task_report_t, outcome, "outcome", t_outcome),
          FIELD(delegation_task_report_t, summary, "summary", t_string),
          FIELD(delegation_task_report_t, output_json, "output-json", t_option_string),
          FIELD(delegation_task_report_t, violations, "violations", t_list_violation),
          FIELD(delegation_task_report_t, text, "text", t_string),
          FIELD(delegation_task_report_t, attempt, "attempt", t_u32),
          FIELD(delegation_task_report_t, history, "history", t_list_past_attempt),
          FIELD(delegation_task_report_t, spent, "spent", t_spend));
LIST_OF(t_list_task_report, t_task_report);
RECORD_OF(t_joined, delegation_joined_t, FIELD(delegation_joined_t, met, "met", t_bool),
          FIELD(delegation_joined_t, reports, "reports", t_list_task_report),
          FIELD(delegation_joined_t, pending, "pending", t_strings));
LIST_OF(t_list_member, t_member);
LIST_OF(t_list_delegated, t_delegated);
LIST_OF(t_list_assignment, t_assignment);
#endif
