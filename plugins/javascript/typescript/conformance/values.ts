// How values of the contract are written as JSON in scripts and answers.

/** What JSON can say. */
export type Json = null | boolean | number | string | Json[] | JsonObject;

export interface JsonObject {
  [name: string]: Json;
}

/** The contract's name of a field: `replyTo` is `reply-to` there. */
type Kebab<Name extends string> = Name extends `${infer First}${infer Rest}`
  ? `${First extends Lowercase<First> ? First : `-${Lowercase<First>}`}${Kebab<Rest>}`
  : Name;

/** A value of the SDK's type `T` as scripts have it. What is optional may be `null`. */
export type Scripted<T> = T extends Uint8Array
  ? string
  : T extends readonly (infer One)[]
    ? Scripted<One>[]
    : T extends object
      ? { [Name in keyof T as Name extends string ? Kebab<Name> : never]: Scripted<T[Name]> }
      : T extends undefined
        ? null | undefined
        : T;

/** A whole number, which is a string of digits where it is large. */
export type Whole = number | string;

/** What the host gave, as JSON. */
export function toScript(value: unknown): Json {
  if (value === undefined || value === null) return null;
  if (typeof value === "boolean" || typeof value === "string") return value;
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : BigInt(value).toString();
  if (value instanceof Uint8Array) return toHex(value);
  if (Array.isArray(value)) return value.map(toScript);
  if (typeof value === "object") return renamed(value, kebab, toScript);
  throw new TypeError(`A ${typeof value} is no value of the contract.`);
}

/** An argument of a script, for the host. The names of cases keep their hyphens, those of fields don't. */
export function fromScript<T>(value: Scripted<T>): T;
export function fromScript(value: unknown): unknown {
  if (value === null) return undefined;
  if (typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map((one) => fromScript<unknown>(one));
  return renamed(value, camel, (part) => fromScript<unknown>(part));
}

export function whole(value: Whole): number;
export function whole(value: Whole | null | undefined): number | undefined;
export function whole(value: Whole | null | undefined): number | undefined {
  return value === null || value === undefined ? undefined : Number(value);
}

export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
}

export function fromHex(text: string): Uint8Array {
  return Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
}

function renamed<T>(
  value: object,
  name: (old: string) => string,
  part: (old: unknown) => T,
): Record<string, T> {
  return Object.fromEntries(Object.entries(value).map(([old, one]) => [name(old), part(one)]));
}

const kebab = (name: string): string => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);

const camel = (name: string): string =>
  name.replace(/-([a-z])/g, (_, letter: string) => letter.toUpperCase());
