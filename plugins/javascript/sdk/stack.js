// Stacks in terms of the author's own files: the bundle's source map is read where one is asked for.

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
const FRAME = /^\s*at (?:(.*) \()?(?:.*\/)?bundle\.js:(\d+):(\d+)\)?$/;
const MOST_FRAMES = 10;

let sourceMap;
let lines;

/** Sets the source map: { sources, mappings }. `hidden` says which sources are nobody's business. */
export function setSourceMap(map) {
  sourceMap = map;
  lines = undefined;
}

/** Its frames in the author's files, one string for each; those of the SDK are left out. */
export function frames(stack) {
  const found = [];
  for (const line of String(stack ?? "").split("\n")) {
    const frame = FRAME.exec(line);
    if (!frame) continue;
    const [, name, row, column] = frame;
    const at = locate(Number(row), Number(column));
    if (at === undefined || at.startsWith(".adjutant/")) continue;
    found.push(name && name !== "<anonymous>" ? `at ${name} (${at})` : `at ${at}`);
    if (found.length === MOST_FRAMES) break;
  }
  return found;
}

/** An error as text: its name, its message, where it was thrown, and what caused it. */
export function describe(error, depth = 0) {
  if (!(error instanceof Error)) return `Uncaught ${text(error)}`;
  const own = [`${error.name}: ${error.message}`, ...frames(error.stack).map((frame) => `    ${frame}`)];
  if (error.cause !== undefined && depth < 4) own.push(`caused by ${describe(error.cause, depth + 1)}`);
  return own.join("\n");
}

function text(value) {
  try {
    return typeof value === "string" ? value : (JSON.stringify(value) ?? String(value));
  } catch {
    return String(value);
  }
}

function locate(row, column) {
  if (!sourceMap) return `bundle.js:${row}:${column}`;
  lines ??= decode(sourceMap.mappings);
  let best;
  for (const segment of lines[row - 1] ?? []) {
    if (segment[0] > column - 1 && best) break;
    best = segment;
  }
  return best && `${sourceMap.sources[best[1]]}:${best[2] + 1}:${best[3] + 1}`;
}

// For each generated line its [column, source, line, column of the source].
function decode(mappings) {
  let source = 0;
  let row = 0;
  let column = 0;
  return mappings.split(";").map((line) => {
    let at = 0;
    const segments = [];
    for (const part of line === "" ? [] : line.split(",")) {
      const [generated, ...rest] = numbers(part);
      at += generated;
      if (rest.length < 3) continue;
      source += rest[0];
      row += rest[1];
      column += rest[2];
      segments.push([at, source, row, column]);
    }
    return segments;
  });
}

function numbers(part) {
  const found = [];
  let value = 0;
  let shift = 0;
  for (const letter of part) {
    const digit = DIGITS.indexOf(letter);
    value += (digit & 31) * 2 ** shift;
    shift += 5;
    if (digit & 32) continue;
    found.push(value % 2 === 1 ? -((value - 1) / 2) : value / 2);
    value = 0;
    shift = 0;
  }
  return found;
}
