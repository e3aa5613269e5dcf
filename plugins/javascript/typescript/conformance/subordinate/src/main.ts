// Does what a script says, for the conformance suite.

import { subordinate } from "adjutant/subordinate";
import { type Config, run } from "../../script.js";
import { perform } from "../../steps.js";

export default subordinate<Config>({ work: (task) => run(task, perform) });
