export * from "./generated/memory.js";

/** What is kept under a key, parsed as JSON; `undefined` where nothing is. */
export function getJson<T = any>(key: string): T | undefined;

/** Keeps a value under a key as JSON, replacing what was there. */
export function putJson(key: string, value: unknown): void;
