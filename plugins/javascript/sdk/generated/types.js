// Generated from the contract's WIT. Do not edit.

import * as codec from "../codec.js";

export const Violation = /* @__PURE__ */ codec.record("Violation", {
  path: codec.string,
  message: codec.string,
});

export const TicketStatus = /* @__PURE__ */ codec.variant({
  "backlog": null,
  "open": null,
  "in-progress": null,
  "blocked": null,
  "in-review": null,
  "done": null,
  "failed": null,
  "cancelled": null,
  "other": codec.string,
});

export const TrackingStatus = /* @__PURE__ */ codec.variant({
  "idle": null,
  "working": null,
  "waiting-subordinates": null,
  "needs-review": null,
  "blocked": null,
  "error": null,
  "other": codec.string,
});

export const Priority = /* @__PURE__ */ codec.variant({
  "high": null,
  "medium": null,
  "low": null,
  "other": codec.string,
});

export const Confidence = /* @__PURE__ */ codec.variant({
  "high": null,
  "medium": null,
  "low": null,
  "other": codec.string,
});

export const Outcome = /* @__PURE__ */ codec.variant({
  "completed": null,
  "failed": null,
  "cancelled": null,
  "other": codec.string,
});

export const Budget = /* @__PURE__ */ codec.record("Budget", {
  wallMs: /* @__PURE__ */ codec.option(codec.u64),
  guestMs: /* @__PURE__ */ codec.option(codec.u64),
  tokens: /* @__PURE__ */ codec.option(codec.u64),
  costMicrousd: /* @__PURE__ */ codec.option(codec.u64),
  children: /* @__PURE__ */ codec.option(codec.u32),
  depth: /* @__PURE__ */ codec.option(codec.u32),
});

export const Spend = /* @__PURE__ */ codec.record("Spend", {
  guestMs: codec.u64,
  tokens: codec.u64,
  costMicrousd: codec.u64,
  children: codec.u32,
});

export const PastAttempt = /* @__PURE__ */ codec.record("PastAttempt", {
  attempt: codec.u32,
  agent: codec.string,
  at: codec.u64,
  reason: codec.string,
});

export const Agent = /* @__PURE__ */ codec.record("Agent", {
  id: codec.string,
  name: codec.string,
  class: codec.string,
  skills: /* @__PURE__ */ codec.list(codec.string),
  description: codec.string,
});

export const Report = /* @__PURE__ */ codec.record("Report", {
  summary: codec.string,
  outputJson: /* @__PURE__ */ codec.json("output"),
});

export const Failure = /* @__PURE__ */ codec.record("Failure", {
  summary: codec.string,
  outputJson: /* @__PURE__ */ codec.json("output"),
});

export const Author = /* @__PURE__ */ codec.variant({
  "agent": codec.string,
  "person": codec.string,
  "host": null,
  "other": codec.string,
});

export const MessageKind = /* @__PURE__ */ codec.variant({
  "text": null,
  "progress": null,
  "question": null,
  "task": null,
  "report": null,
  "other": codec.string,
});

export const BlockerPolicy = /* @__PURE__ */ codec.variant({
  "fail": null,
  "release": null,
  "other": codec.string,
});

export const Retry = /* @__PURE__ */ codec.record("Retry", {
  attempts: codec.u32,
  backoffMs: /* @__PURE__ */ codec.field(codec.u64, 1000),
  maxBackoffMs: /* @__PURE__ */ codec.field(codec.u64, 60000),
  reassign: codec.u32,
});

export const Join = /* @__PURE__ */ codec.variant({
  "all": null,
  "any": null,
  "quorum": codec.u32,
  "deadline": codec.u64,
  "other": codec.string,
});

export const Question = /* @__PURE__ */ codec.record("Question", {
  title: codec.string,
  description: codec.string,
  request: codec.string,
  configJson: /* @__PURE__ */ codec.json("config"),
});

export const Draft = /* @__PURE__ */ codec.record("Draft", {
  title: codec.string,
  description: /* @__PURE__ */ codec.field(codec.string, ""),
  expectedOutputSchemaJson: /* @__PURE__ */ codec.json("expectedOutputSchema"),
  key: /* @__PURE__ */ codec.option(codec.string),
});

export const EntryKind = /* @__PURE__ */ codec.variant({
  "file": null,
  "directory": null,
  "symlink": null,
  "other": codec.string,
});

export const Exit = /* @__PURE__ */ codec.record("Exit", {
  code: /* @__PURE__ */ codec.option(codec.s32),
  stdout: codec.string,
  stderr: codec.string,
  truncated: codec.bool,
  elapsedMs: codec.u64,
});

export const Ticket = /* @__PURE__ */ codec.record("Ticket", {
  id: codec.string,
  title: codec.string,
  description: codec.string,
  status: TicketStatus,
  assignee: /* @__PURE__ */ codec.option(codec.string),
  parent: /* @__PURE__ */ codec.option(codec.string),
  delegatedBy: /* @__PURE__ */ codec.option(codec.string),
  expectedOutputSchemaJson: /* @__PURE__ */ codec.json("expectedOutputSchema"),
  outputJson: /* @__PURE__ */ codec.json("output"),
  summary: codec.string,
});

export const Message = /* @__PURE__ */ codec.record("Message", {
  id: codec.string,
  index: codec.u64,
  author: Author,
  kind: MessageKind,
  text: codec.string,
  mentions: /* @__PURE__ */ codec.list(codec.string),
  replyTo: /* @__PURE__ */ codec.option(codec.string),
  at: codec.u64,
});

export const Member = /* @__PURE__ */ codec.record("Member", {
  agent: Agent,
  status: TrackingStatus,
  current: /* @__PURE__ */ codec.list(codec.string),
  queued: codec.u32,
  lastReportAt: /* @__PURE__ */ codec.option(codec.u64),
});

export const PlanTask = /* @__PURE__ */ codec.record("PlanTask", {
  id: codec.string,
  description: codec.string,
  suggestedClass: /* @__PURE__ */ codec.field(codec.string, ""),
  assignToAgent: /* @__PURE__ */ codec.option(codec.string),
  priority: /* @__PURE__ */ codec.field(Priority, "medium"),
  blockedBy: /* @__PURE__ */ codec.field(/* @__PURE__ */ codec.list(codec.string), []),
});

export const Assignment = /* @__PURE__ */ codec.record("Assignment", {
  title: codec.string,
  description: /* @__PURE__ */ codec.field(codec.string, ""),
  assignee: /* @__PURE__ */ codec.option(codec.string),
  notes: /* @__PURE__ */ codec.field(codec.string, ""),
  expectedOutputSchemaJson: /* @__PURE__ */ codec.json("expectedOutputSchema"),
  permissive: /* @__PURE__ */ codec.field(codec.bool, false),
  deadlineMs: /* @__PURE__ */ codec.option(codec.u64),
  key: /* @__PURE__ */ codec.option(codec.string),
  priority: /* @__PURE__ */ codec.field(Priority, "medium"),
  group: /* @__PURE__ */ codec.option(codec.string),
  blockedBy: /* @__PURE__ */ codec.field(/* @__PURE__ */ codec.list(codec.string), []),
  onBlockerFailure: /* @__PURE__ */ codec.field(BlockerPolicy, "fail"),
  retry: /* @__PURE__ */ codec.option(Retry),
  budget: /* @__PURE__ */ codec.option(Budget),
  silenceMs: /* @__PURE__ */ codec.option(codec.u64),
});

export const Delegated = /* @__PURE__ */ codec.record("Delegated", {
  ticket: codec.string,
  assignee: codec.string,
  assigneeName: codec.string,
  reason: codec.string,
  confidence: Confidence,
});

export const TaskReport = /* @__PURE__ */ codec.record("TaskReport", {
  ticket: codec.string,
  title: codec.string,
  agent: codec.string,
  agentName: codec.string,
  outcome: Outcome,
  summary: codec.string,
  outputJson: /* @__PURE__ */ codec.json("output"),
  violations: /* @__PURE__ */ codec.list(Violation),
  text: codec.string,
  attempt: codec.u32,
  history: /* @__PURE__ */ codec.list(PastAttempt),
  spent: Spend,
});

export const ExternalReport = /* @__PURE__ */ codec.record("ExternalReport", {
  outcome: Outcome,
  summary: codec.string,
  outputJson: /* @__PURE__ */ codec.json("output"),
});

export const Candidate = /* @__PURE__ */ codec.record("Candidate", {
  agent: Agent,
  status: TrackingStatus,
  queued: codec.u32,
});

export const Choice = /* @__PURE__ */ codec.record("Choice", {
  agent: codec.string,
  reason: codec.string,
  confidence: Confidence,
});

export const Filter = /* @__PURE__ */ codec.record("Filter", {
  status: /* @__PURE__ */ codec.option(TicketStatus),
  assignee: /* @__PURE__ */ codec.option(codec.string),
  parent: /* @__PURE__ */ codec.option(codec.string),
});

export const Entry = /* @__PURE__ */ codec.record("Entry", {
  name: codec.string,
  kind: EntryKind,
  size: codec.u64,
});

export const Task = /* @__PURE__ */ codec.record("Task", {
  ticket: Ticket,
  agent: Agent,
  briefing: codec.string,
  request: codec.string,
  configJson: /* @__PURE__ */ codec.json("config"),
  attempt: codec.u32,
  violations: /* @__PURE__ */ codec.list(Violation),
}, {
  get text() {
    return this.ticket.description.trim() || this.ticket.title.trim();
  },
});

export const Page = /* @__PURE__ */ codec.record("Page", {
  messages: /* @__PURE__ */ codec.list(Message),
  cursor: codec.u64,
  more: codec.bool,
});

export const PlanPhase = /* @__PURE__ */ codec.record("PlanPhase", {
  id: codec.string,
  name: codec.string,
  parallel: /* @__PURE__ */ codec.field(codec.bool, true),
  dependsOn: /* @__PURE__ */ codec.field(/* @__PURE__ */ codec.list(codec.string), []),
  tasks: /* @__PURE__ */ codec.list(PlanTask),
});

export const Joined = /* @__PURE__ */ codec.record("Joined", {
  met: codec.bool,
  reports: /* @__PURE__ */ codec.list(TaskReport),
  pending: /* @__PURE__ */ codec.list(codec.string),
});

export const WorkPlan = /* @__PURE__ */ codec.record("WorkPlan", {
  name: codec.string,
  description: /* @__PURE__ */ codec.field(codec.string, ""),
  phases: /* @__PURE__ */ codec.list(PlanPhase),
});
