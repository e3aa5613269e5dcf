// Generated from the contract's WIT. Do not edit.

/**
 * What is kept under a key; none where nothing is. Returns at once.
 *
 * Persists: the answer, in the journal.
 * Errors: `limit` where the key is too long.
 */
export function get(key: string): Uint8Array | undefined;

/**
 * Keep a value under a key, replacing what was there. Returns at once.
 *
 * Persists: the value.
 * Errors: `limit` where the key or the value is too long, or the agent's memory is full.
 */
export function put(key: string, value: Uint8Array | string): void;

/**
 * Forget a key. Returns at once, whether it was there or not.
 *
 * Persists: the removal.
 * Errors: `limit` where the key is too long.
 */
export function remove(key: string): void;

/**
 * The keys that begin so, in order; at most 1,000. Returns at once.
 *
 * Persists: the answer, in the journal.
 * Errors: none but `cancelled`.
 */
export function keys(prefix: string): string[];
