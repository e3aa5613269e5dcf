// How values of the contract are written as JSON in scripts and answers.

const kebab = (name) => name.replace(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`);
const camel = (name) => name.replace(/-([a-z])/g, (_, letter) => letter.toUpperCase());

/** What the host gave, as JSON. */
export function toScript(value) {
  if (value === undefined || value === null) return null;
  if (typeof value === "number") return Number.isSafeInteger(value) ? value : BigInt(value).toString();
  if (typeof value !== "object") return value;
  if (value instanceof Uint8Array) return toHex(value);
  if (Array.isArray(value)) return value.map(toScript);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [kebab(name), toScript(part)]));
}

/** An argument of a script, for the host. The names of cases keep their hyphens, those of fields don't. */
export function fromScript(value) {
  if (value === null) return undefined;
  if (typeof value !== "object") return value;
  if (Array.isArray(value)) return value.map(fromScript);
  return Object.fromEntries(Object.entries(value).map(([name, part]) => [camel(name), fromScript(part)]));
}

/** A whole number, which is a string of digits where it is large. */
export const number = (value) => (value === null || value === undefined ? undefined : Number(value));

export const toHex = (bytes) => Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");

export const fromHex = (text) => Uint8Array.from(text.match(/../g) ?? [], (pair) => Number.parseInt(pair, 16));
