// Does what a script says, for the conformance suite.

import { boss } from "adjutant/boss";
import { run } from "../../script.js";
import { steps } from "../../steps.js";
import { team } from "../../team.js";

export default boss({ work: (task) => run(task, { ...steps, ...team }) });
