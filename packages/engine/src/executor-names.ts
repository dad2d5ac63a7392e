// Names by which recipes, commands and options call executors and their backends.

/** `auto` takes a graphics card where there is a real one, else ONNX Runtime. */
export const executorNames = ["ort", "webgpu", "auto", "tfjs", "plain"] as const;

export type ExecutorName = (typeof executorNames)[number];

/** Of TensorFlow.js in Node, the fastest first; `tensorflow` is its native library. */
export const tfjsBackends = ["tensorflow", "webgpu", "wasm", "cpu"] as const;

export type TfjsBackend = (typeof tfjsBackends)[number];

export interface TfjsOptions {
  /** Default: the fastest that works. */
  readonly backend?: TfjsBackend | undefined;
}
