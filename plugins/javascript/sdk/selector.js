// What a selector imports.

import { strategy } from "./run.js";

export const selector = (definition) => strategy("selector", "choose", definition);

export { Failure } from "./errors.js";
