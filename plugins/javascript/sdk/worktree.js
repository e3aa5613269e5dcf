// The contract's worktree, and files as text.

import { read } from "./generated/worktree.js";

export * from "./generated/worktree.js";

export function readText(path) {
  return new TextDecoder().decode(read(path));
}
