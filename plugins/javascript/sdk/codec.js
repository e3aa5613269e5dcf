// Values on their way to and from the host. What a strategy hands over is checked here, because past
// this point a value of a wrong type would end the component without a line number.
//
// A codec is { lift(value), lower(value, path) }: `lift` makes what a strategy sees of what the host
// gave, `lower` the reverse. `path` says in messages where a value stands.

const wrong = (path, wanted, value) => new TypeError(`${path} must be ${wanted}, and is ${show(value)}`);

function show(value) {
  if (value === null || value === undefined) return String(value);
  if (typeof value === "string") return value.length > 40 ? "a longer string" : JSON.stringify(value);
  if (typeof value === "function") return "a function";
  if (typeof value === "object") {
    if (typeof value.then === "function") return "a promise: a call to the host needs no await";
    return Array.isArray(value) ? "an array" : "an object";
  }
  return String(value);
}

const isObject = (value) => typeof value === "object" && value !== null;
const asIs = (value) => value;

export const bool = {
  lift: asIs,
  lower(value, path) {
    if (typeof value !== "boolean") throw wrong(path, "true or false", value);
    return value;
  },
};

export const string = {
  lift: asIs,
  lower(value, path) {
    if (typeof value !== "string") throw wrong(path, "a string", value);
    // Half of a surrogate pair has no UTF-8.
    return value.toWellFormed();
  },
};

const whole = (least, most) => ({
  lift: asIs,
  lower(value, path) {
    if (!Number.isInteger(value) || value < least || value > most) {
      throw wrong(path, `a whole number from ${least} to ${most}`, value);
    }
    return value;
  },
});
export const u32 = whole(0, 2 ** 32 - 1);
export const s32 = whole(-(2 ** 31), 2 ** 31 - 1);
// What is larger has no exact number in JavaScript.
export const u64 = whole(0, Number.MAX_SAFE_INTEGER);

export const bytes = {
  lift: asIs,
  lower(value, path) {
    if (typeof value === "string") return new TextEncoder().encode(value);
    if (value instanceof Uint8Array) return value;
    if (value instanceof ArrayBuffer) return new Uint8Array(value);
    throw wrong(path, "a Uint8Array or a string", value);
  },
};

export const option = (codec) => ({
  lift: (value) => (value === null || value === undefined ? undefined : codec.lift(value)),
  lower: (value, path) => (value === null || value === undefined ? null : codec.lower(value, path)),
});

export const list = (codec) => ({
  lift: (values) => values.map(codec.lift),
  lower(values, path) {
    if (!Array.isArray(values)) throw wrong(path, "an array", values);
    return values.map((value, i) => codec.lower(value, `${path}[${i}]`));
  },
});

// A field of a record: `fallback` stands in where a strategy leaves it out.
export const field = (codec, fallback) => ({ codec, fallback });

// JSON as text in a field `NAMEJson`; `NAME` is the value, parsed when it is read.
export const json = (name) => ({ codec: option(string), json: name });

/** A codec of records. `more` are further getters on what is lifted. */
export function record(name, fields, more = {}) {
  const entries = Object.entries(fields).map(([key, codec]) => ({
    key,
    ...(codec.codec ? codec : { codec }),
  }));
  const known = new Set(entries.flatMap(({ key, json }) => (json ? [key, json] : [key])));
  const prototype = Object.create(Object.prototype, Object.getOwnPropertyDescriptors(more));
  for (const { key, json } of entries) {
    if (json) Object.defineProperty(prototype, json, { get: parsing(key, json), set: replacing(json) });
  }
  return {
    lift(value) {
      const lifted = Object.create(prototype);
      for (const { key, codec } of entries) lifted[key] = codec.lift(value[key]);
      return lifted;
    },
    lower(value, path) {
      if (!isObject(value) || Array.isArray(value)) throw wrong(path, `an object (${name})`, value);
      for (const key of Object.keys(value)) {
        if (known.has(key)) continue;
        const all = [...known].join(", ");
        throw new TypeError(`${path}.${key} means nothing: the fields of ${name} are ${all}`);
      }
      const lowered = {};
      for (const { key, codec, fallback, json } of entries) {
        let given = value[key];
        if (json && value[json] !== undefined) given = stringify(value[json], `${path}.${json}`);
        if (given === undefined && fallback !== undefined) given = fallback;
        lowered[key] = codec.lower(given, `${path}.${key}`);
      }
      return lowered;
    },
  };
}

const parsing = (key, name) =>
  function () {
    const text = this[key];
    const value = text === undefined || text.trim() === "" ? undefined : JSON.parse(text);
    Object.defineProperty(this, name, { value, writable: true, configurable: true });
    return value;
  };

const replacing = (name) =>
  function (value) {
    Object.defineProperty(this, name, { value, writable: true, configurable: true });
  };

function stringify(value, path) {
  let text;
  try {
    text = JSON.stringify(value);
  } catch (error) {
    throw new TypeError(`${path} cannot be written as JSON: ${error.message}`);
  }
  if (text === undefined) throw wrong(path, "a value that JSON has", value);
  return text;
}

/**
 * A codec of variants: a case without a payload (`null` here) is its name, any other an object with
 * that one field, such as { quorum: 2 }.
 */
export function variant(cases) {
  const names = Object.entries(cases).map(([name, codec]) =>
    codec === null ? JSON.stringify(name) : `{ ${name}: … }`,
  );
  const wanted = names.join(" or ");
  return {
    lift({ tag, val }) {
      if (cases[tag] === null) return tag;
      const lifted = Object.create(withText);
      lifted[tag] = cases[tag].lift(val);
      return lifted;
    },
    lower(value, path) {
      if (typeof value === "string" && cases[value] === null) return { tag: value };
      if (isObject(value)) {
        const [tag, ...others] = Object.keys(value);
        if (others.length === 0 && cases[tag]) {
          return { tag, val: cases[tag].lower(value[tag], `${path}.${tag}`) };
        }
      }
      throw wrong(path, wanted, value);
    },
  };
}

// So that a case that has no name yet still reads well in a text.
const withText = Object.create(Object.prototype, {
  toString: {
    value() {
      return Object.values(this).map(String).join(" ");
    },
  },
});

/** What a call's last argument may hold, checked for names that mean nothing. */
export function options(call, given, names) {
  if (given === undefined || given === null) return {};
  if (!isObject(given)) throw wrong(`the options of ${call}`, `an object with ${names.join(", ")}`, given);
  for (const name of Object.keys(given)) {
    if (!names.includes(name)) {
      throw new TypeError(`${call} has no option ${name}: there are ${names.join(", ")}`);
    }
  }
  return given;
}

// An argument that travels as JSON.
export const jsonOf = { lower: stringify };
