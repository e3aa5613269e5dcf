// The steps that subordinates and bosses have in common.

import { Failure } from "adjutant/errors";
import {
  channels,
  type Draft,
  type Filter,
  memory,
  reporting,
  type Task,
  tickets,
  worktree,
} from "adjutant/interfaces";
import { fromHex, fromScript, type Scripted, toHex, type Whole, whole } from "./values.js";

/** How long a call may take. */
export type Timed = { "timeout-ms"?: Whole | null };

/** A step that calls the host. */
type HostStep =
  | { do: "reporting.progress"; note: string }
  | { do: "reporting.submit-output"; "output-json": string }
  | ({ do: "reporting.call-for-report"; message: string } & Timed)
  | { do: "channels.post"; ticket?: string | null; text: string; "reply-to"?: string | null }
  | { do: "channels.mention"; members: string[]; text: string }
  | { do: "channels.read"; ticket?: string | null; after: Whole; limit: number }
  | ({ do: "channels.ask"; member: string; text: string } & Timed)
  | { do: "tickets.create"; draft: Scripted<Draft> }
  | { do: "tickets.assign"; ticket: string; agent: string }
  | { do: "tickets.get"; ticket: string }
  | { do: "tickets.list"; filter: Scripted<Filter> }
  | { do: "tickets.comment"; ticket: string; text: string }
  | { do: "tickets.add-collaborator"; agent: string }
  | { do: "tickets.link"; ticket: string; kind: string }
  | { do: "memory.get"; key: string }
  | { do: "memory.put"; key: string; value: string }
  | { do: "memory.remove"; key: string }
  | { do: "memory.keys"; prefix: string }
  | { do: "worktree.read"; path: string }
  | { do: "worktree.write"; path: string; content: string }
  | { do: "worktree.remove"; path: string }
  | { do: "worktree.list"; path: string }
  | { do: "worktree.diff" }
  | { do: "worktree.commit"; message: string }
  | ({ do: "worktree.run"; command: string[] } & Timed);

/** A step that does not. */
type OwnStep =
  | { do: "task" | "clock" | "random" | "spin" }
  | { do: "print" | "eprint" | "trap"; text: string }
  | { do: "allocate"; bytes: number };

export type Step = HostStep | OwnStep;

/** Does a step; gives back its answer. */
export function perform(step: Step, task: Task): unknown {
  switch (step.do) {
    case "reporting.progress":
      return reporting.progress(step.note);
    case "reporting.submit-output":
      return reporting.submitOutputJson(step["output-json"]);
    case "reporting.call-for-report":
      return reporting.callForReport(step.message, timeout(step));
    case "channels.post":
      return channels.post(step.text, { ticket: given(step.ticket), replyTo: given(step["reply-to"]) });
    case "channels.mention":
      return channels.mention(step.members, step.text);
    case "channels.read":
      return channels.read(whole(step.after), step.limit, { ticket: given(step.ticket) });
    case "channels.ask":
      return channels.ask(step.member, step.text, timeout(step));
    case "tickets.create":
      return tickets.create(fromScript<Draft>(step.draft));
    case "tickets.assign":
      return tickets.assign(step.ticket, step.agent);
    case "tickets.get":
      return tickets.get(step.ticket);
    case "tickets.list":
      return tickets.list(fromScript<Filter>(step.filter));
    case "tickets.comment":
      return tickets.comment(step.ticket, step.text);
    case "tickets.add-collaborator":
      return tickets.addCollaborator(step.agent);
    case "tickets.link":
      return tickets.link(step.ticket, step.kind);
    case "memory.get":
      return memory.get(step.key);
    case "memory.put":
      return memory.put(step.key, fromHex(step.value));
    case "memory.remove":
      return memory.remove(step.key);
    case "memory.keys":
      return memory.keys(step.prefix);
    case "worktree.read":
      return worktree.read(step.path);
    case "worktree.write":
      return worktree.write(step.path, fromHex(step.content));
    case "worktree.remove":
      return worktree.remove(step.path);
    case "worktree.list":
      return worktree.list(step.path);
    case "worktree.diff":
      return worktree.diff();
    case "worktree.commit":
      return worktree.commit(step.message);
    case "worktree.run":
      return worktree.run(step.command, timeout(step));
    default:
      return performAlone(step, task);
  }
}

function performAlone(step: OwnStep, task: Task): unknown {
  switch (step.do) {
    case "task":
      return task;
    case "clock":
      return {
        wallMs: String(Date.now()),
        monotonicNs: String(Math.round(performance.now() * 1e6)),
      };
    case "random":
      return toHex(crypto.getRandomValues(new Uint8Array(16)));
    case "print":
      return console.log(step.text);
    case "eprint":
      return console.error(step.text);
    case "allocate":
      return allocate(step.bytes);
    case "trap":
      throw new Error(step.text);
    case "spin":
      for (;;);
    default:
      return unknown(step);
  }
}

/** For what the types rule out, and a script says all the same. */
function unknown(step: never): never {
  throw new Failure(`unknown step: ${(step as { do: string }).do}`);
}

function allocate(bytes: number): number {
  const block = new Uint8Array(bytes);
  for (let at = 0; at < bytes; at += 4096) block[at] = 1;
  return block.length;
}

export const timeout = (step: Timed): { timeoutMs?: number } => ({ timeoutMs: whole(step["timeout-ms"]) });

/** What is an `option` in the contract: a script may also say `null`. */
const given = <T>(value: T | null | undefined): T | undefined => value ?? undefined;
