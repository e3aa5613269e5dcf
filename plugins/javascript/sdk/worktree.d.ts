export * from "./generated/worktree.js";

/** A file as text. What is not UTF-8 in it is replaced. */
export function readText(path: string): string;
