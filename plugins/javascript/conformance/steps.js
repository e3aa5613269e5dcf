// The steps that call the host, for subordinates and bosses alike.

import { channels, memory, reporting, tickets, worktree } from "adjutant/interfaces";
import { fromHex, fromScript, number } from "./values.js";

export const steps = {
  "reporting.progress": (step) => reporting.progress(step.note),
  "reporting.submit-output": (step) => reporting.submitOutputJson(step["output-json"]),
  "reporting.call-for-report": (step) => reporting.callForReport(step.message, timeout(step)),
  "channels.post": (step) =>
    channels.post(step.text, { ticket: step.ticket, replyTo: step["reply-to"] }),
  "channels.mention": (step) => channels.mention(step.members, step.text),
  "channels.read": (step) => channels.read(number(step.after), step.limit, { ticket: step.ticket }),
  "channels.ask": (step) => channels.ask(step.member, step.text, timeout(step)),
  "tickets.create": (step) => tickets.create(fromScript(step.draft)),
  "tickets.assign": (step) => tickets.assign(step.ticket, step.agent),
  "tickets.get": (step) => tickets.get(step.ticket),
  "tickets.list": (step) => tickets.list({ ...fromScript(step.filter), status: step.filter.status }),
  "tickets.comment": (step) => tickets.comment(step.ticket, step.text),
  "tickets.add-collaborator": (step) => tickets.addCollaborator(step.agent),
  "tickets.link": (step) => tickets.link(step.ticket, step.kind),
  "memory.get": (step) => memory.get(step.key),
  "memory.put": (step) => memory.put(step.key, fromHex(step.value)),
  "memory.remove": (step) => memory.remove(step.key),
  "memory.keys": (step) => memory.keys(step.prefix),
  "worktree.read": (step) => worktree.read(step.path),
  "worktree.write": (step) => worktree.write(step.path, fromHex(step.content)),
  "worktree.remove": (step) => worktree.remove(step.path),
  "worktree.list": (step) => worktree.list(step.path),
  "worktree.diff": () => worktree.diff(),
  "worktree.commit": (step) => worktree.commit(step.message),
  "worktree.run": (step) => worktree.run(step.command, timeout(step)),
};

export const timeout = (step) => ({ timeoutMs: number(step["timeout-ms"]) });
