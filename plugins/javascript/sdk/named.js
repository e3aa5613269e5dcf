// A part of the host that knows its name: QuickJS says "not a function" of a function that there is not, and
// nothing of which.

// What the language itself looks for in any object.
const QUIET = ["then", "toJSON"];

/** The functions of one interface. One that there is not is an error with its name and those that there are. */
export const named = (name, functions) =>
  new Proxy(functions, {
    get(all, key) {
      if (key in all || typeof key === "symbol" || QUIET.includes(key)) return all[key];
      throw new TypeError(`there is no ${name}.${key}; ${name} has ${Object.keys(all).join(", ")}`);
    },
  });
