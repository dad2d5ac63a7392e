// ONNX Runtime, which else keeps an id of the device and a database of events below the user's cache and looks its maker's host up.
import { createRequire } from "node:module";
import { isMainThread } from "node:worker_threads";
import type * as Ort from "onnxruntime-node";

const SWITCH = "ORT_DISABLE_TELEMETRY";
// The runtime reads the process's own environment, which is not what a worker thread sees: there it is a copy.
const isOff = isMainThread || process.env[SWITCH] === "1";
process.env[SWITCH] = "1";
let runtime: typeof Ort | undefined;

/**
 * Loads ONNX Runtime with its telemetry off. It is required when it is needed, since an import would be carried out before the switch is set.
 * @throws {Error} in a worker thread whose process has not switched it off
 */
export function onnxRuntime(): typeof Ort {
  if (!isOff) {
    throw new Error(
      `ONNX Runtime would send telemetry, which a worker thread cannot switch off: import @vlmopt/engine in the main thread before the worker starts, or start the process with ${SWITCH}=1`,
    );
  }
  runtime ??= createRequire(import.meta.url)("onnxruntime-node") as typeof Ort;
  return runtime;
}
