// TensorFlow.js in Node, by whichever of its packages are installed. They are required, since their ES modules do not load in Node.
import { createRequire } from "node:module";
import { checkOptions } from "@vlmopt/options";
import { type TfjsBackend, type TfjsOptions, tfjsBackends } from "../../executor-names.ts";
import { tfjsRules } from "../../option-rules.ts";
import type { Executor } from "../executor.ts";
import { isSoftware } from "../webgpu/webgpu-device.ts";
import { nodesGpu } from "../webgpu/webgpu-in-node.ts";
import type { TensorFlow } from "./tensorflow.ts";
import { executorOn } from "./tfjs-executor.ts";

/**
 * Runs passes on TensorFlow.js.
 * @throws {Error} where it is not installed, or the backend does not start
 */
export async function tfjsExecutor(options: TfjsOptions = {}): Promise<Executor> {
  checkOptions("tfjsExecutor", options, tfjsRules);
  if (options.backend !== undefined) return start[options.backend]();
  for (const backend of tfjsBackends) {
    try {
      return await (backend === "webgpu" ? startOnCard({ software: false }) : start[backend]());
    } catch {
      // The next one may work.
    }
  }
  throw new Error(
    "no backend of TensorFlow.js works here: install @tensorflow/tfjs-node-gpu, or @tensorflow/tfjs with @tensorflow/tfjs-backend-wasm, beside this package (vlmopt doctor says what each backend lacks)",
  );
}

const start: Readonly<Record<TfjsBackend, () => Promise<Executor>>> = {
  tensorflow: async () =>
    executorOn(installed("@tensorflow/tfjs-node-gpu", "@tensorflow/tfjs-node"), "tensorflow"),
  webgpu: () => startOnCard(),
  async wasm() {
    const tf = tensorFlow();
    installed("@tensorflow/tfjs-backend-wasm");
    return executorOn(tf, "wasm");
  },
  async cpu() {
    const tf = tensorFlow();
    if (tf.findBackendFactory("cpu") === null) installed("@tensorflow/tfjs-backend-cpu");
    // Else it advertises the native library on the console.
    tf.enableProdMode();
    return executorOn(tf, "cpu");
  },
};

const WEBGPU_BACKEND = "@tensorflow/tfjs-backend-webgpu";

async function startOnCard({ software = true } = {}): Promise<Executor> {
  const tf = tensorFlow();
  // It is loaded once WebGPU stands where it looks for it, but missed before a driver is asked.
  if (located(WEBGPU_BACKEND, require.resolve) === undefined) throw notInstalled(WEBGPU_BACKEND);
  const gpu = await nodesGpu();
  const adapter = await gpu.requestAdapter({ powerPreference: "high-performance" });
  if (adapter === null) throw new Error("WebGPU finds no graphics card");
  if (!software && isSoftware(adapter)) throw new Error("WebGPU finds no graphics card but software");
  return withNavigatorsGpu(gpu, () => {
    installed(WEBGPU_BACKEND);
    return executorOn(tf, "webgpu");
  });
}

/** While a backend starts, WebGPU stands where browsers have it; later, it would be taken for a browser's. */
async function withNavigatorsGpu<T>(gpu: GPU, work: () => Promise<T>): Promise<T> {
  const { navigator } = globalThis;
  if (navigator === undefined)
    Object.defineProperty(globalThis, "navigator", { value: { gpu }, configurable: true });
  else Object.defineProperty(navigator, "gpu", { value: gpu, configurable: true });
  try {
    return await work();
  } finally {
    if (navigator === undefined) Reflect.deleteProperty(globalThis, "navigator");
    else Reflect.deleteProperty(navigator, "gpu");
  }
}

function tensorFlow(): TensorFlow {
  return installed("@tensorflow/tfjs", "@tensorflow/tfjs-core");
}

const require = createRequire(import.meta.url);

/** @throws {Error} where none of the packages is installed, or the first that is does not load */
function installed(...names: readonly [string, ...string[]]): TensorFlow {
  for (const name of names) {
    const found = located(name, require);
    if (found !== undefined) return found as TensorFlow;
  }
  throw notInstalled(...names);
}

function notInstalled(...names: readonly string[]): Error {
  return new Error(`${names.join(" or ")} is not installed: run npm install ${names[0]}`);
}

/** What `locate` makes of a package; undefined where it is not installed. */
function located<T>(name: string, locate: (name: string) => T): T | undefined {
  try {
    return locate(name);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    if (code === "MODULE_NOT_FOUND" && message.includes(`'${name}'`)) return undefined;
    throw new Error(`${name} is installed but does not load: ${message.split("\n")[0]}`, { cause: error });
  }
}
