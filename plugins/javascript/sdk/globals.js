// What strategies find without an import, next to the language itself. It is the first module of every
// bundle.

import insecure from "wasi:random/insecure@0.2.12";
import secure from "wasi:random/random@0.2.12";
import { console } from "./console.js";
import { atBegin, needsRun } from "./phase.js";
import { TextDecoder, TextEncoder } from "./text.js";

const nativePerformance = globalThis.performance;
let origin = 0;
atBegin(() => {
  origin = nativePerformance.now();
});

// QuickJS seeds its own when the component is built, so all runs would get the same numbers.
let pool = new DataView(new ArrayBuffer(0));
let used = 0;

function random() {
  needsRun("Math.random");
  if (used + 8 > pool.byteLength) {
    const bytes = insecure.getInsecureRandomBytes(256);
    pool = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
    used = 0;
  }
  const high = pool.getUint32(used) >>> 5;
  const low = pool.getUint32(used + 4) >>> 6;
  used += 8;
  return (high * 2 ** 26 + low) / 2 ** 53;
}

const crypto = {
  getRandomValues(array) {
    needsRun("crypto.getRandomValues");
    if (!ArrayBuffer.isView(array)) throw new TypeError("crypto.getRandomValues fills typed arrays of integers");
    const bytes = secure.getRandomBytes(array.byteLength);
    new Uint8Array(array.buffer, array.byteOffset, array.byteLength).set(bytes);
    return array;
  },
  randomUUID() {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    bytes[6] = (bytes[6] & 0x0f) | 0x40;
    bytes[8] = (bytes[8] & 0x3f) | 0x80;
    const hex = Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    return hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
  },
};

const missing = (name, instead) => () => {
  throw new Error(`${name} is not here: ${instead}`);
};
const noTime =
  "time does not pass inside a run. Wait with a call to the host and its timeoutMs, such as channels.ask or delegation.awaitReports";
const noNetwork =
  "a strategy has no network. Run a command that its agent is granted, with worktree.run";

const performance = {
  now() {
    needsRun("performance.now");
    return nativePerformance.now() - origin;
  },
  get timeOrigin() {
    return Date.now() - performance.now();
  },
};

Math.random = random;
Object.assign(globalThis, { console, crypto, TextDecoder, TextEncoder });
Object.defineProperty(globalThis, "performance", { value: performance, writable: true, configurable: true });
for (const name of ["setTimeout", "setInterval", "setImmediate"]) globalThis[name] = missing(name, noTime);
for (const name of ["clearTimeout", "clearInterval", "clearImmediate"]) globalThis[name] = () => {};
globalThis.fetch = missing("fetch", noNetwork);
