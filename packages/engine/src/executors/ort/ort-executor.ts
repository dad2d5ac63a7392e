import { realpath } from "node:fs/promises";
import { parse, relative } from "node:path";
import type { CacheSpec, ForwardPass, InputSpec } from "@vlmopt/models";
import * as ort from "onnxruntime-node";
import { probeRecorder } from "../../calibration/channel-statistics.ts";
import type { ModelWeights } from "../../weights/model-weights.ts";
import { concatenated } from "../concatenated.ts";
import {
  type CacheStep,
  type DeviceTensor,
  type Executor,
  isDeviceTensor,
  type KvCache,
  type PassInput,
  type PreparedPass,
  type PrepareOptions,
} from "../executor.ts";
import { encodeOnnx, type OnnxInitializer } from "./onnx-model.ts";
import { graphWriter, type PendingInitializer } from "./ort-graph.ts";
import { type CacheValues, cacheInputs, type OrtValue, ortOps } from "./ort-ops.ts";
import { sideFile } from "./side-file.ts";

export interface OrtOptions {
  /** Of the processor; as many as it has cores unless told. */
  readonly threads?: number;
  /** ONNX Runtime's execution providers, in order of preference: `cpu` unless told, `cuda`, `webgpu`, `coreml`, `dml`. */
  readonly providers?: readonly string[];
  /**
   * How products with 4-bit weights are computed: with activations rounded to 8 bits in blocks, as llama.cpp does and several times as fast,
   * unless told, or in F32.
   */
  readonly activations?: "int8" | "float32";
}

/** Runs passes on ONNX Runtime: the graph is made in memory, and its weights are mapped from the checkpoint's own files. */
export function ortExecutor(options: OrtOptions = {}): Executor {
  return {
    name: "ort",
    prepare: (pass, weights, prepareOptions) => prepare(pass, weights, options, prepareOptions),
    createCache,
    async stack(parts, features) {
      const data = concatenated(await Promise.all(parts.map((part) => part.read())));
      return deviceTensor(new ort.Tensor("float32", data, [1, data.length / features, features]));
    },
  };
}

/** Of each layer `[batch, kvHeads, capacity, headDim]`; ONNX Runtime appends to them in place. */
interface OrtCache extends KvCache {
  readonly keys: readonly ort.Tensor[];
  readonly values: readonly ort.Tensor[];
}

function createCache({ layers }: CacheSpec, batch: number, capacity: number): OrtCache {
  const empty = () =>
    layers.map(({ kvHeads, headDim }) => {
      const data = new Float32Array(batch * kvHeads * capacity * headDim);
      return new ort.Tensor("float32", data, [batch, kvHeads, capacity, headDim]);
    });
  return { batch, capacity, lengths: new Int32Array(batch), keys: empty(), values: empty() };
}

async function prepare(
  pass: ForwardPass,
  weights: ModelWeights,
  options: OrtOptions,
  { probes }: PrepareOptions = {},
): Promise<PreparedPass> {
  const graph = graphWriter();
  const ops = ortOps(graph, weights, {
    accuracyLevel: options.activations === "float32" ? 0 : 4,
    probes: probes !== undefined,
  });
  const recorder = probes && probeRecorder(probes);
  const inputs: Record<string, OrtValue> = {};
  for (const [name, spec] of Object.entries(pass.inputs)) {
    graph.input({ name, type: spec.dtype, shape: sizesOf(name, spec) });
    inputs[name] = { name, features: spec.shape.at(-1) ?? 1 };
  }
  const outputs = pass.run(ops, inputs);
  const names = Object.entries(outputs);
  for (const [name, value] of names) {
    graph.output({ name: value.name, type: "F32", shape: [0, 1, 2].map((axis) => `${name}.${axis}`) });
  }
  for (const { value } of ops.probed) {
    graph.output({ name: value, type: "F32", shape: [0, 1, 2].map((axis) => `${value}.${axis}`) });
  }
  for (const [layer, values] of ops.caches) declareCache(graph, layer, values);
  if (ops.caches.size > 0) {
    graph.input({ name: cacheInputs.lengths, type: "I32", shape: ["batch"] });
    graph.input({ name: cacheInputs.longest, type: "I32", shape: [] });
  }
  const session = await createSession(graph.finish(), options);
  return {
    async run(given, step) {
      const feeds: Record<string, ort.Tensor> = {};
      for (const name of Object.keys(pass.inputs)) feeds[name] = ortTensor(given[name], name);
      const fetches: Record<string, ort.Tensor | null> = {};
      for (const [, value] of names) fetches[value.name] = null;
      for (const { value } of ops.probed) fetches[value] = null;
      if (step !== undefined) addCache(feeds, fetches, ops.caches, step);
      const results = await session.run(feeds, fetches);
      for (const { name, value } of ops.probed) {
        const { dims, data } = results[value] as ort.Tensor;
        recorder?.record(name, dims, data as Float32Array, step?.added);
      }
      step?.added.forEach((count, n) => {
        step.cache.lengths[n] = (step.cache.lengths[n] as number) + count;
      });
      return Object.fromEntries(
        names.map(([name, value]) => [name, deviceTensor(results[value.name] as ort.Tensor)]),
      );
    },
    ...(recorder && { statistics: recorder.statistics }),
    release: () => session.release(),
  };
}

function sizesOf(name: string, { shape }: InputSpec): (number | string)[] {
  return shape.map((size, axis) => size ?? `${name}.${axis}`);
}

function declareCache(graph: ReturnType<typeof graphWriter>, layer: number, values: CacheValues): void {
  const shape = ["batch", `kv_heads.${layer}`, "capacity", `head_dim.${layer}`];
  for (const name of [values.pastKey, values.pastValue]) graph.input({ name, type: "F32", shape });
  for (const name of [values.presentKey, values.presentValue]) graph.output({ name, type: "F32", shape });
}

/** Earlier and present keys and values are the same memory, so nothing is copied. */
function addCache(
  feeds: Record<string, ort.Tensor>,
  fetches: Record<string, ort.Tensor | null>,
  caches: ReadonlyMap<number, CacheValues>,
  { cache, added }: CacheStep,
): void {
  const { keys, values, lengths, batch } = cache as OrtCache;
  for (const [layer, names] of caches) {
    const [key, value] = [keys[layer] as ort.Tensor, values[layer] as ort.Tensor];
    feeds[names.pastKey] = fetches[names.presentKey] = key;
    feeds[names.pastValue] = fetches[names.presentValue] = value;
  }
  const totals = lengths.map((length, n) => length + (added[n] as number));
  feeds[cacheInputs.lengths] = new ort.Tensor(
    "int32",
    totals.map((total) => total - 1),
    [batch],
  );
  feeds[cacheInputs.longest] = new ort.Tensor("int32", Int32Array.of(Math.max(...totals)), []);
}

async function createSession(
  graph: ReturnType<ReturnType<typeof graphWriter>["finish"]>,
  { threads, providers = ["cpu"] }: OrtOptions,
): Promise<ort.InferenceSession> {
  const file = await sideFile();
  // Locations of weights are relative to a folder, and may not leave it: so it is the one that holds everything.
  const { root } = parse(process.cwd());
  const initializers: OnnxInitializer[] = [];
  try {
    for (const pending of graph.initializers) {
      const data = await placed(pending, file);
      const located =
        data instanceof Uint8Array
          ? data
          : { ...data, location: relative(root, await realpath(data.location)) };
      initializers.push({ ...pending, data: located });
    }
    return await ort.InferenceSession.create(encodeOnnx({ ...graph, initializers }), {
      executionProviders: [...providers],
      graphOptimizationLevel: "all",
      ...(threads === undefined ? {} : { intraOpNumThreads: threads }),
      extra: { session: { model_external_initializers_file_folder_path: root } },
    });
  } finally {
    await file.remove();
  }
}

/** Bytes that would make the graph large are put into a file. */
const INLINE_BYTES = 1 << 16;

async function placed({ data }: PendingInitializer, file: Awaited<ReturnType<typeof sideFile>>) {
  if (!("load" in data))
    return data instanceof Uint8Array && data.byteLength > INLINE_BYTES ? file.append(data) : data;
  return file.append(await data.load());
}

function ortTensor(input: PassInput | undefined, name: string): ort.Tensor {
  if (input === undefined) throw new TypeError(`the pass needs the input ${name}`);
  if (isDeviceTensor(input)) return (input as unknown as OrtDeviceTensor).tensor;
  return input.data instanceof Float32Array
    ? new ort.Tensor("float32", input.data, input.shape)
    : new ort.Tensor("int32", input.data, input.shape);
}

interface OrtDeviceTensor extends DeviceTensor {
  readonly tensor: ort.Tensor;
}

function deviceTensor(tensor: ort.Tensor): OrtDeviceTensor {
  return { tensor, shape: tensor.dims, read: async () => (await tensor.getData()) as Float32Array };
}
