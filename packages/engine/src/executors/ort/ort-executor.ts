import type { ForwardPass, InputSpec } from "@vlmopt/models";
import { checkOptions } from "@vlmopt/options";
import type * as ort from "onnxruntime-node";
import { withProbes } from "../../calibration/input-statistics.ts";
import { ortRules } from "../../option-rules.ts";
import { releaseOnce } from "../../release-once.ts";
import type { ModelWeights } from "../../weights/model-weights.ts";
import { concatenated } from "../concatenated.ts";
import {
  assertEqualLengths,
  type CacheStep,
  type Executor,
  type KvCache,
  type PreparedPass,
  type PrepareOptions,
} from "../executor.ts";
import { onnxRuntime } from "./onnx-runtime.ts";
import { type LayerCache, type OrtCache, ortCache } from "./ort-cache.ts";
import { derive } from "./ort-derive.ts";
import { graphWriter } from "./ort-graph.ts";
import { cacheInputs, type OrtOps, type OrtValue, ortOps } from "./ort-ops.ts";
import { ortProbes } from "./ort-probes.ts";
import { createSession, deviceTensor, ortTensor } from "./ort-session.ts";

export interface OrtOptions {
  /** Of the processor; as many as it has cores unless told. */
  readonly threads?: number;
  /** ONNX Runtime's execution providers, in order of preference: `cpu` unless told, `cuda`, `webgpu`, `coreml`, `dml`. */
  readonly providers?: readonly string[];
  /**
   * How products with integer weights, int4 and int8, are computed: with activations rounded to 8 bits in blocks, as llama.cpp does and several times as fast, or in
   * F32. Unless told, int4's in 8 bits, and int8's in F32 while its weights decoded take no more than 6 GiB: on fixtures/tiny-llava, rounded activations cost int8 three
   * times what int8 itself does (KL divergence 6.5e-4 against 1.9e-4), and add nothing to what int4 does (2e-2).
   */
  readonly activations?: "int8" | "float32";
}

/** Runs passes on ONNX Runtime: the graph is made in memory, and its weights are mapped from the checkpoint's own files. */
export function ortExecutor(options: OrtOptions = {}): Executor {
  checkOptions("ortExecutor", options, ortRules);
  return {
    name: "ort",
    prepare: (pass, weights, prepareOptions) => prepare(pass, weights, options, prepareOptions),
    createCache: ortCache,
    derive: (pass, weights, deriveOptions) => derive(pass, weights, deriveOptions, options),
    async stack(parts, features) {
      const data = concatenated(await Promise.all(parts.map((part) => part.read())));
      const { Tensor } = onnxRuntime();
      return deviceTensor(new Tensor("float32", data, [1, data.length / features, features]));
    },
  };
}

async function prepare(
  pass: ForwardPass,
  weights: ModelWeights,
  options: OrtOptions,
  { probes }: PrepareOptions = {},
): Promise<PreparedPass> {
  const graph = graphWriter();
  const ops = ortOps(graph, weights, {
    activations: options.activations,
  });
  const noted = probes && withProbes(ops, probes);
  const inputs: Record<string, OrtValue> = {};
  for (const [name, spec] of Object.entries(pass.inputs)) {
    graph.input({ name, type: spec.dtype, shape: sizesOf(name, spec) });
    inputs[name] = { name, features: spec.shape.at(-1) ?? 1 };
  }
  const outputs = pass.run(noted?.ops ?? ops, inputs);
  const names = Object.entries(outputs);
  for (const [name, value] of names) {
    graph.output({ name: value.name, type: "F32", shape: [0, 1, 2].map((axis) => `${name}.${axis}`) });
  }
  const sums = noted && ortProbes(graph, noted.probed());
  declareCaches(graph, ops);
  const session = await createSession(graph.finish(), options);
  return {
    async run(given, step) {
      if (sums !== undefined) assertEqualLengths(step);
      const feeds: Record<string, ort.Tensor> = {};
      for (const name of Object.keys(pass.inputs)) feeds[name] = ortTensor(given[name], name);
      if (step !== undefined) Object.assign(feeds, cacheFeeds(ops, step));
      const results = await session.run(feeds);
      sums?.record(results);
      if (step !== undefined) keepNew(ops, step, results);
      return Object.fromEntries(
        names.map(([name, value]) => [name, deviceTensor(results[value.name] as ort.Tensor)]),
      );
    },
    ...(sums && { statistics: async () => sums.statistics() }),
    release: releaseOnce(() => session.release()),
  };
}

function sizesOf(name: string, { shape }: InputSpec): (number | string)[] {
  return shape.map((size, axis) => size ?? `${name}.${axis}`);
}

function declareCaches(graph: ReturnType<typeof graphWriter>, { caches, windows }: OrtOps): void {
  for (const [layer, { pastKey, pastValue, newKey, newValue }] of caches) {
    const shape = ["batch", `kv_heads.${layer}`, "room", `head_dim.${layer}`];
    for (const name of [pastKey, pastValue]) graph.input({ name, type: "F32", shape });
    const rows = ["batch", "tokens", `kv_features.${layer}`];
    for (const name of [newKey, newValue]) graph.output({ name, type: "F32", shape: rows });
  }
  if (caches.size === 0) return;
  graph.input({ name: cacheInputs.lengths, type: "I32", shape: ["batch"] });
  graph.input({ name: cacheInputs.longest, type: "I32", shape: [] });
  graph.input({ name: cacheInputs.single, type: "BOOL", shape: [] });
  for (const window of windows) {
    graph.input({ name: cacheInputs.seen(window), type: "F32", shape: ["batch", 1, 1, "room and one"] });
  }
}

/** Earlier keys and values, and what says how much of them there is. */
function cacheFeeds({ caches, windows }: OrtOps, { cache, added }: CacheStep): Record<string, ort.Tensor> {
  const { Tensor } = onnxRuntime();
  const { batch, lengths, layers, room } = cache as OrtCache;
  const feeds: Record<string, ort.Tensor> = {};
  for (const [layer, { pastKey, pastValue }] of caches) {
    const { keys, values, shape } = layers[layer] as LayerCache;
    feeds[pastKey] = new Tensor("float32", keys, shape);
    feeds[pastValue] = new Tensor("float32", values, shape);
  }
  const totals = totalsOf(cache, added);
  const last = totals.map((total) => total - 1);
  feeds[cacheInputs.lengths] = new Tensor("int32", last, [batch]);
  feeds[cacheInputs.longest] = new Tensor("int32", Int32Array.of(Math.max(...totals)), []);
  feeds[cacheInputs.single] = new Tensor("bool", Uint8Array.of(Math.max(...added) === 1 ? 1 : 0), []);
  for (const window of windows) {
    const seen = new Float32Array(batch * (room + 1)).fill(Number.NEGATIVE_INFINITY);
    lengths.forEach((length, n) => {
      const row = n * (room + 1);
      const first = window === undefined ? 0 : Math.max(0, length + 1 - window);
      seen.fill(0, row + Math.min(first, length), row + length);
      seen[row + room] = 0;
    });
    feeds[cacheInputs.seen(window)] = new Tensor("float32", seen, [batch, 1, 1, room + 1]);
  }
  return feeds;
}

/** Keeps the keys and values of the step's tokens. */
function keepNew(
  { caches }: OrtOps,
  { cache, added }: CacheStep,
  results: Readonly<Record<string, ort.Tensor>>,
): void {
  const kept = cache as OrtCache;
  const totals = totalsOf(cache, added);
  kept.reserve(Math.max(...totals));
  for (const [layer, { newKey, newValue }] of caches) {
    const [keys, values] = [newKey, newValue].map((name) => results[name]?.data as Float32Array);
    kept.append(layer, keys as Float32Array, values as Float32Array, added);
  }
  kept.lengths.set(totals);
}

function totalsOf({ lengths }: KvCache, added: readonly number[]): Int32Array {
  return lengths.map((length, n) => length + (added[n] as number));
}
