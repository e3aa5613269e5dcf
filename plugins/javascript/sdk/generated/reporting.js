// Generated from the contract's WIT. Do not edit.

import raw from "adjutant:agent/reporting@0.1.0";
import * as codec from "../codec.js";
import { host } from "../errors.js";
import * as types from "./types.js";

export function progress(note) {
  host(() => raw.progress(codec.string.lower(note, "reporting.progress: note")));
}

export function submitOutput(output) {
  host(() => raw.submitOutput(codec.jsonOf.lower(output, "reporting.submitOutput: output")));
}

export function submitOutputJson(outputJson) {
  host(() => raw.submitOutput(codec.string.lower(outputJson, "reporting.submitOutputJson: outputJson")));
}

export function callForReport(message, given) {
  const { timeoutMs } = codec.options("reporting.callForReport", given, ["timeoutMs"]);
  return types.ExternalReport.lift(host(() => raw.callForReport(codec.string.lower(message, "reporting.callForReport: message"), codec.option(codec.u64).lower(timeoutMs, "reporting.callForReport: timeoutMs"))));
}
