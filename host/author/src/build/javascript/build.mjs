// Makes a component of a project: node build.mjs SETTINGS.json
//
// Everything that is imported becomes one module, `bundle.js`, and that a component, by QuickJS. What
// the tools say about a project's sources goes to stderr, in terms of the author's own files.

import { createHash } from "node:crypto";
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const settings = JSON.parse(readFileSync(process.argv[2], "utf8"));
const { root, main, world, sdk, work, wit, tools } = settings;
const require = createRequire(join(tools, "package.json"));
const esbuild = require("esbuild");

const WORLDS = ["selector", "subordinate", "boss"];
const ENTRY = ".adjutant/entry.js";
const PLACE = "@source map@";
// Characters of a source line that an error shows.
const MOST_SHOWN = 200;
// What a module of this world may import of the host.
const interfaces = readdirSync(join(sdk, "generated"))
  .filter((file) => file.endsWith(".js") && file !== "types.js")
  .map((file) => file.slice(0, -3))
  .filter((name) => world === "boss" || (world === "subordinate" && name !== "delegation"));

const worlds = {
  name: "adjutant",
  setup(build) {
    build.onResolve({ filter: /^adjutant\// }, ({ path }) => {
      const name = path.slice("adjutant/".length);
      const file = join(sdk, `${name}.js`);
      if (WORLDS.includes(name) && name !== world) {
        const text = `plugin.toml says world = "${world}", so it is "adjutant/${world}" that there is to import`;
        return { errors: [{ text }] };
      }
      if (existsSync(file)) return { path: file };
      return { errors: [{ text: `there is no "${path}": import from "adjutant/${world}"` }] };
    });
    build.onResolve({ filter: /^(adjutant|wasi):/ }, ({ path, importer }) => {
      const ours = /^adjutant:agent\/([a-z-]+)@/.exec(path)?.[1];
      if (interfaces.includes(ours) || importer.startsWith(sdk)) return { path, external: true };
      const text = `a ${world} cannot import "${path}": it is offered ${interfaces.join(", ") || "nothing"} of adjutant:agent`;
      return { errors: [{ text }] };
    });
  },
};

const entry = `import "adjutant/globals";
import { exported } from "adjutant/run";
import { setSourceMap } from "adjutant/stack";
import strategy from "./${main}";
setSourceMap(${JSON.stringify(PLACE)});
export const ${world === "selector" ? "choose" : "work"} = exported("${world}", strategy, "${main}");
`;

async function bundle() {
  const built = await esbuild.build({
    stdin: { contents: entry, resolveDir: root, sourcefile: ENTRY },
    absWorkingDir: root,
    outfile: join(root, "bundle.js"),
    write: false,
    bundle: true,
    format: "esm",
    platform: "neutral",
    mainFields: ["module", "main"],
    conditions: ["import", "module", "default"],
    target: "es2023",
    charset: "utf8",
    sourcemap: "external",
    sourcesContent: false,
    define: { "process.env.NODE_ENV": '"production"' },
    plugins: [worlds],
    logLevel: "silent",
  });
  // What the SDK does not have is a mistake, and would be "not a function" when the module is loaded.
  const missing = built.warnings.filter(
    ({ id, text }) => id === "import-is-undefined" && / "\.adjutant\/sdk\//.test(text),
  );
  if (missing.length > 0) throw { errors: missing };
  // For the caller, which shows them when all is done.
  const warnings = formatted(built.warnings, "warning").map((text) => text.replace(/^\W*WARNING\W*/, ""));
  writeFileSync(join(work, "warnings.json"), JSON.stringify(warnings));
  const text = (end) => built.outputFiles.find(({ path }) => path.endsWith(end)).text;
  const { sources, mappings } = JSON.parse(text(".map"));
  const map = { sources, mappings };
  // It stays on its line, so what it says holds.
  return { map, code: text(".js").replace(JSON.stringify(PLACE), () => JSON.stringify(map)) };
}

function tell(messages, kind) {
  for (const text of formatted(messages, kind)) console.error(text);
}

function formatted(messages, kind) {
  if (messages.length === 0) return [];
  const said = esbuild.formatMessagesSync(messages.map(retold), { kind, color: false });
  return said.map((text) => text.trim());
}

/** esbuild's message, where its own words would lead astray. */
function retold(message) {
  if (message.location?.file === ENTRY && message.text.startsWith("No matching export")) {
    const call = world === "selector" ? "choose(task, candidates)" : "work(task)";
    const text = `${main} must export its strategy: export default ${world}({ ${call} { … } })`;
    return { ...message, text, location: { file: main, line: 1, column: 0, length: 0, lineText: "" } };
  }
  const name = /^Could not resolve "([^"]*)"/.exec(message.text)?.[1];
  if (name !== undefined && !/^[./]/.test(name)) {
    const text = isBuiltin(name)
      ? "A strategy has none of Node's own modules."
      : "If it is a package of npm, name it in the dependencies of a package.json in the project's folder.";
    return { ...message, notes: [{ text }] };
  }
  return { ...message, pluginName: "" };
}

/** The contract, with what of WASI the SDK calls. */
function writeWit(folder) {
  rmSync(folder, { recursive: true, force: true });
  cpSync(join(sdk, "wit"), folder, { recursive: true });
  const deps = join(folder, "deps", "adjutant-agent");
  mkdirSync(deps, { recursive: true });
  const files = readdirSync(wit).filter((file) => file.endsWith(".wit"));
  for (const file of files) cpSync(join(wit, file), join(deps, file));
  return files.map((file) => readFileSync(join(wit, file), "utf8"));
}

async function componentize({ code, map }) {
  const output = join(work, "component.wasm");
  const stamp = join(work, "component.key");
  const file = join(work, "bundle.js");
  const folder = join(work, "wit");
  const hash = createHash("sha256");
  for (const part of [code, world, tools, ...writeWit(folder)]) hash.update(`${part.length}:${part}`);
  const key = hash.digest("hex");
  // QuickJS is started while a component is made, and its state has the time in it. What was made of the
  // same sources stays, so that a plugin's digest changes when the plugin does.
  if (existsSync(output) && existsSync(stamp) && readFileSync(stamp, "utf8") === key) return;
  rmSync(stamp, { force: true });
  writeFileSync(file, code);
  const qjs = await import(pathToFileURL(require.resolve("componentize-qjs")).href);
  let made;
  try {
    made = await qjs.componentize({
      witPath: folder,
      world,
      jsSource: code,
      jsPath: file,
      moduleRoot: work,
      sync: true,
    });
  } catch (error) {
    console.error(await located(error, map));
    process.exit(1);
  }
  writeFileSync(output, made.component);
  writeFileSync(stamp, key);
}

/** An exception of a module that was loaded, with the author's lines in place of the bundle's. */
async function located(error, map) {
  const { frames, setSourceMap } = await import(pathToFileURL(join(sdk, "stack.js")).href);
  setSourceMap(map);
  const text = String(error.message);
  const said = text.replace(/^.*(?:module evaluation|JavaScript module): /s, "").split("\n");
  const message = said.filter((line) => !/^\s*at /.test(line)).join("\n").trim();
  const found = frames(text);
  const shown = found.flatMap((frame, place) => [`    ${frame}`, ...(place === 0 ? line(frame) : [])]);
  return [`${main} cannot be loaded: ${message}`, ...shown].join("\n");
}

/** The author's line that a frame is at: QuickJS's "not a function" does not say of what. */
function line(frame) {
  const [, file, row] = /([^ (]+):(\d+):\d+\)?$/.exec(frame) ?? [];
  const path = file === undefined ? undefined : join(root, file);
  if (path === undefined || !existsSync(path)) return [];
  const text = readFileSync(path, "utf8").split("\n")[Number(row) - 1]?.trim() ?? "";
  return text === "" ? [] : [`      ${text.slice(0, MOST_SHOWN)}`];
}

try {
  await componentize(await bundle());
} catch (error) {
  if (!Array.isArray(error.errors)) throw error;
  tell(error.errors, "error");
  process.exit(1);
}
