// Generated from the contract's WIT. Do not edit.

import type { Entry, Exit } from "./types.js";

/**
 * A file's bytes.
 *
 * Persists: the answer, in the journal.
 * Errors: `not-found`; `denied` where the path leads out; `invalid` where it is no file;
 * `limit` where it is too large.
 */
export function read(path: string): Uint8Array;

/**
 * Write a file, and the folders above it; replaces what was there.
 *
 * Persists: the file.
 * Errors: `denied` where the path leads out; `invalid` where it is a folder; `limit` where it is
 * too large.
 */
export function write(path: string, content: Uint8Array | string): void;

/**
 * Remove a file or an empty folder.
 *
 * Persists: the removal.
 * Errors: `not-found`; `denied` where the path leads out; `invalid` where a folder is not empty.
 */
export function remove(path: string): void;

/**
 * What is in a folder (`""` for the topmost), by name; at most 10,000 entries.
 *
 * Persists: the answer, in the journal.
 * Errors: `not-found`; `denied` where the path leads out; `limit` where there are too many.
 */
export function list(path: string): Entry[];

/**
 * What has changed against the commit that the ticket began at, new files included, as a unified
 * diff.
 *
 * Persists: the answer, in the journal.
 * Errors: `limit` where it is too long; `unavailable` where git fails.
 */
export function diff(): string;

/**
 * Commit all changes to the ticket's branch and give back the commit's id; none where nothing has
 * changed. Where several repositories are linked, each that has changes gets a commit, and the ids
 * are separated by spaces. The host makes the commit, with hooks off.
 *
 * Persists: the commit.
 * Errors: `invalid` where the message is empty; `unavailable` where git fails.
 */
export function commit(message: string): string | undefined;

/**
 * Run a command that this agent is granted, in the worktree: the program first, then its
 * arguments, with no shell between. What it prints is streamed to the run's log as it comes.
 * Blocks until it ends or its time is over (120,000 ms unless told otherwise); then it is ended
 * with all that it started. An exit status other than 0 is no error.
 *
 * Persists: how it ended. After a crash of the host a command whose end was not yet journaled
 * runs again.
 * Errors: `denied` where no grant of this agent covers it, or none of an agent that delegated this
 * ticket or one above it; `not-found` where there is no such program;
 * `invalid` where the list is empty; `deadline` when its time is over; `cancelled`.
 */
export function run(command: readonly string[], options?: { timeoutMs?: number }): Exit;
