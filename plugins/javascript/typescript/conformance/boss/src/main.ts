// Does what a script says, for the conformance suite.

import { boss } from "adjutant/boss";
import { type Config, run } from "../../script.js";
import { perform } from "../../team.js";

export default boss<Config>({ work: (task) => run(task, perform) });
