// Does what a script says, for the conformance suite.

import { subordinate } from "adjutant/subordinate";
import { run } from "../../script.js";
import { steps } from "../../steps.js";

export default subordinate({ work: (task) => run(task, steps) });
