// What there is without an import, next to the language itself.

interface Console {
  /** To the run's log, as stdout. */
  log(...values: unknown[]): void;
  info(...values: unknown[]): void;
  debug(...values: unknown[]): void;
  /** To the run's log, as stderr. */
  error(...values: unknown[]): void;
  warn(...values: unknown[]): void;
  trace(...values: unknown[]): void;
  assert(holds: unknown, ...values: unknown[]): void;
}
declare var console: Console;

interface TextEncoder {
  readonly encoding: string;
  encode(text?: string): Uint8Array;
}
declare var TextEncoder: { prototype: TextEncoder; new (): TextEncoder };

interface TextDecoder {
  readonly encoding: string;
  decode(input?: ArrayBuffer | ArrayBufferView): string;
}
declare var TextDecoder: {
  prototype: TextDecoder;
  new (label?: string, options?: { fatal?: boolean; ignoreBOM?: boolean }): TextDecoder;
};

interface Crypto {
  /** Fills an array with random numbers: the same again when a run is replayed. */
  getRandomValues<T extends ArrayBufferView>(array: T): T;
  randomUUID(): string;
}
declare var crypto: Crypto;

interface Performance {
  /** Milliseconds since the run began. */
  now(): number;
  readonly timeOrigin: number;
}
declare var performance: Performance;

declare function atob(data: string): string;
declare function btoa(data: string): string;
declare function queueMicrotask(callback: () => void): void;
