// Generated from the contract's WIT. Do not edit.

/** One thing that is wrong with a value. */
export interface Violation {
  /** Where, as a JSON pointer into the value (`/parts/0/name`); empty for the whole of it. */
  path: string;
  /** What is wrong there, as a sentence. */
  message: string;
}

/** Where a ticket stands. */
export type TicketStatus =
  | "backlog"
  | "open"
  | "in-progress"
  | "blocked"
  | "in-review"
  | "done"
  | "failed"
  | "cancelled"
  | { other: string };

/** What an agent is doing. */
export type TrackingStatus =
  | "idle"
  | "working"
  | "waiting-subordinates"
  | "needs-review"
  | "blocked"
  | "error"
  | { other: string };

/** How urgent something is. */
export type Priority =
  | "high"
  | "medium"
  | "low"
  | { other: string };

/** How sure a choice is. */
export type Confidence =
  | "high"
  | "medium"
  | "low"
  | { other: string };

/** How a finished task went. */
export type Outcome =
  | "completed"
  | "failed"
  | "cancelled"
  | { other: string };

/**
 * What a ticket and all below it may spend. What is not named is not limited here; what the
 * ticket above has left always holds too. A cap, which reserves nothing.
 */
export interface Budget {
  /** From its making to its end. */
  wallMs?: number;
  /** Computing time of its guests. */
  guestMs?: number;
  /** Tokens of models. */
  tokens?: number;
  /** Cost of models and the like, in millionths of a US dollar. */
  costMicrousd?: number;
  /** Tickets below it. */
  children?: number;
  /** Steps down from it. */
  depth?: number;
}

/** What a ticket and all below it have spent. */
export interface Spend {
  guestMs: number;
  tokens: number;
  costMicrousd: number;
  children: number;
}

/** A run that failed. */
export interface PastAttempt {
  /** Which one it was, from 1. */
  attempt: number;
  /** The agent's id. */
  agent: string;
  at: number;
  reason: string;
}

/** An agent, as far as others may know it. */
export interface Agent {
  id: string;
  name: string;
  /** A free label such as `builder` or `scout`; empty if none. */
  class: string;
  /** What it is good at, in words. */
  skills: string[];
  /** A sentence for people and models; may be empty. */
  description: string;
}

/** What `work` answers when the task is done. */
export interface Report {
  /** For people: what was done, in Markdown. */
  summary: string;
  /** The structured result. Where the ticket has a schema, this must fulfil it. */
  output?: unknown;
  /** The same as JSON, instead of `output`. */
  outputJson?: string;
}

/** Who wrote a message. */
export type Author =
  /** An agent, by id. */
  | { agent: string }
  /** A person, by name. */
  | { person: string }
  /** The host itself. */
  | "host"
  | { other: string };

/** What a message is. */
export type MessageKind =
  | "text"
  /** A note on how far the work is. */
  | "progress"
  /** A question that waits for an answer. */
  | "question"
  /** A delegated task, as given to a subordinate. */
  | "task"
  /** A subordinate's report. */
  | "report"
  | { other: string };

/** What happens to a task when one that it waits for fails or is cancelled. */
export type BlockerPolicy =
  /** It fails too. */
  | "fail"
  /** It starts all the same. */
  | "release"
  | { other: string };

/**
 * How often a task is tried, and by whom. After the last failure its report is a failed one, with
 * the history.
 */
export interface Retry {
  /** Runs that one assignee gets, the first included; at least 1. */
  attempts: number;
  /**
   * The pause before the second run; each further one is twice as long, up to `max-backoff-ms`.
   * `1000` unless given.
   */
  backoffMs?: number;
  /** `60000` unless given. */
  maxBackoffMs?: number;
  /**
   * How often it is then given to another subordinate, whom the boss's selector chooses among
   * those that have not tried it.
   */
  reassign: number;
}

/** When an `await-reports` is over. */
export type Join =
  /** When all are over. */
  | "all"
  /** When one has completed, or all are over. */
  | "any"
  /** When so many have completed, or so many no longer can. */
  | { quorum: number }
  /** After so many milliseconds with whatever there is, or earlier when all are over. */
  | { deadline: number }
  | { other: string };

/** The task that someone is wanted for. */
export interface Question<Config = any> {
  title: string;
  description: string;
  /** What the person who started it all asked for. */
  request: string;
  /** The boss's configuration, a JSON object. */
  readonly config: Config;
  /** `config` as JSON. */
  configJson: string;
}

/** What a new ticket says. */
export interface Draft {
  title: string;
  description?: string;
  expectedOutputSchema?: unknown;
  /** The same as JSON, instead of `expectedOutputSchema`. */
  expectedOutputSchemaJson?: string;
  /**
   * Two children of one ticket with the same key are the same: the second `create` gives back the
   * first, also in a later attempt.
   */
  key?: string;
}

export type EntryKind =
  | "file"
  | "directory"
  | "symlink"
  | { other: string };

/** A command that is over. */
export interface Exit {
  /** The exit status; none where a signal ended it. */
  code?: number;
  /** Its output so far as it is kept, invalid UTF-8 replaced. */
  stdout: string;
  stderr: string;
  /** Whether output was left out because there was too much. */
  truncated: boolean;
  elapsedMs: number;
}

/** A ticket, as far as this run may see it. */
export interface Ticket {
  id: string;
  title: string;
  description: string;
  status: TicketStatus;
  /** The agent's id. */
  assignee?: string;
  /** The ticket above it. */
  parent?: string;
  /** The agent that delegated it, by id. */
  delegatedBy?: string;
  /** JSON Schema (draft 2020-12) that the output must fulfil. */
  readonly expectedOutputSchema: any;
  /** `expectedOutputSchema` as JSON. */
  expectedOutputSchemaJson?: string;
  /** The output, once there is one. */
  readonly output: any;
  /** `output` as JSON. */
  outputJson?: string;
  /** The last report's summary; empty until there is one. */
  summary: string;
}

export interface Message {
  id: string;
  /** Its place in the channel, from 0. */
  index: number;
  author: Author;
  kind: MessageKind;
  text: string;
  /** Ids of the agents, and names of the people, that it mentions. */
  mentions: string[];
  /** The message that it answers, by id. */
  replyTo?: string;
  at: number;
}

/** A direct subordinate, as it is now. */
export interface Member {
  agent: Agent;
  status: TrackingStatus;
  /** The tickets it works on, by id: the 20 that it took up first, where there are more. */
  current: string[];
  /** Tickets that wait for it. */
  queued: number;
  /** When it last reported, Unix milliseconds. */
  lastReportAt?: number;
}

/** A task of a work plan. */
export interface PlanTask {
  id: string;
  description: string;
  /** A class of agent that would fit; empty if it doesn't matter. */
  suggestedClass?: string;
  /** The id of the agent meant to do it. */
  assignToAgent?: string;
  /** `medium` unless given. */
  priority?: Priority;
  /** Ids of tasks that must be over before this one. */
  blockedBy?: string[];
}

/** One task to delegate. */
export interface Assignment {
  title: string;
  /** All that the subordinate needs to know. */
  description?: string;
  /** A direct subordinate's id; where there is none, the host asks the boss's selector. */
  assignee?: string;
  /** The boss's notes for the subordinate; may be empty. */
  notes?: string;
  /** JSON Schema (draft 2020-12) that the output must fulfil. */
  expectedOutputSchema?: unknown;
  /** The same as JSON, instead of `expectedOutputSchema`. */
  expectedOutputSchemaJson?: string;
  /**
   * Where true, an output that does not fulfil the schema is stored with warnings instead of
   * being refused.
   * `false` unless given.
   */
  permissive?: boolean;
  /** How long it may take; when it is over, the ticket fails. */
  deadlineMs?: number;
  /**
   * Two assignments of one ticket with the same key are the same delegation: the second gives
   * back the first.
   */
  key?: string;
  /**
   * An agent's queue has the urgent ones first.
   * `medium` unless given.
   */
  priority?: Priority;
  /** Tickets of a workspace with the same word here are never worked on at the same time. */
  group?: string;
  /**
   * What must be over before it starts: keys of other assignments of this call that stand before
   * it, or ids of tickets that this run can see.
   */
  blockedBy?: string[];
  /** `fail` unless given. */
  onBlockerFailure?: BlockerPolicy;
  /** Where there is none, its first failure is its last. */
  retry?: Retry;
  /** What it and all below it may spend; at most what this ticket has left. */
  budget?: Budget;
  /**
   * How long its run may be silent (no host call, no output, no report) before it fails, waits
   * for reports and answers not counted.
   */
  silenceMs?: number;
}

/** A delegation that stands. */
export interface Delegated {
  /** The child ticket's id. */
  ticket: string;
  /** The agent's id. */
  assignee: string;
  assigneeName: string;
  /** Why this one: the selector's reason; empty where the boss named it. */
  reason: string;
  confidence: Confidence;
}

/** How a delegated task ended. */
export interface TaskReport {
  ticket: string;
  title: string;
  /** The agent's id. */
  agent: string;
  agentName: string;
  outcome: Outcome;
  summary: string;
  readonly output: any;
  /** `output` as JSON. */
  outputJson?: string;
  /** What is wrong with the output: the reason where it was refused, warnings otherwise. */
  violations: Violation[];
  /** The report as text for a model: `[TASK REPORT from NAME (ID)]` and its lines. */
  text: string;
  /** Its last run's number, from 1; 0 where it never ran. */
  attempt: number;
  /** Its runs that failed, the oldest first. */
  history: PastAttempt[];
  /** What it and all below it have spent. */
  spent: Spend;
}

/** A report that came from outside, through `POST /api/agents/{id}/report-task`. */
export interface ExternalReport {
  outcome: Outcome;
  summary: string;
  /** The structured result, where the report has one. It is not checked yet. */
  readonly output: any;
  /** `output` as JSON. */
  outputJson?: string;
}

/** Someone who could do it. */
export interface Candidate {
  agent: Agent;
  status: TrackingStatus;
  /** Tickets that are assigned to it and not over, the one it works on included. */
  queued: number;
}

/** Someone chosen. */
export interface Choice {
  /** The candidate's agent id. */
  agent: string;
  /** Why, as a sentence for people. */
  reason: string;
  confidence: Confidence;
}

/** Which tickets to list. All that are given must hold. */
export interface Filter {
  status?: TicketStatus;
  /** An agent's id. */
  assignee?: string;
  /** A ticket's id: only its direct children. */
  parent?: string;
}

export interface Entry {
  /** The last segment of its path. */
  name: string;
  kind: EntryKind;
  /** Bytes, for a file. */
  size: number;
}

/** What a run is asked to do. */
export interface Task<Config = any> {
  ticket: Ticket;
  /** The agent that this run works as. */
  agent: Agent;
  /**
   * The task as text for a person or a model. For a delegated ticket it begins with
   * `[DELEGATED TASK from boss "NAME" (ID)]` and holds the boss's task, the boss's notes and
   * the user's original request.
   */
  briefing: string;
  /**
   * What the person who started it all asked for: the root ticket's description, or its title
   * where that is empty.
   */
  request: string;
  /** The agent's own configuration, a JSON object. */
  readonly config: Config;
  /** `config` as JSON. */
  configJson: string;
  /** 1 for the first run of this ticket, 2 after one more try, and so on. */
  attempt: number;
  /** What was wrong with the output that the run before this one gave; empty at first. */
  violations: Violation[];
  /** What is to be done: the ticket's description, or its title where that is empty. */
  readonly text: string;
}

/** What is in a channel after a cursor. */
export interface Page {
  messages: Message[];
  /** Pass it as `after` to get what comes next. */
  cursor: number;
  /** Whether there is more already. */
  more: boolean;
}

/** Tasks that belong together. */
export interface PlanPhase {
  id: string;
  name: string;
  /**
   * Whether its tasks run at the same time or one after the other.
   * `true` unless given.
   */
  parallel?: boolean;
  /** Ids of phases that must be over before this one. */
  dependsOn?: string[];
  tasks: PlanTask[];
}

/** What an `await-reports` answers. */
export interface Joined {
  /** Whether the join was met, and not just given up. */
  met: boolean;
  /** The reports that are in, in the order they came. */
  reports: TaskReport[];
  /** The tickets that are not over, by id. */
  pending: string[];
}

/** What a boss means to do, shown to people before it delegates. A preview, not a contract. */
export interface WorkPlan {
  name: string;
  description?: string;
  phases: PlanPhase[];
}
