import type { CacheSpec, ForwardPass } from "@vlmopt/models";
import { probeRecorder } from "../../calibration/channel-statistics.ts";
import { type ModelWeights, readFloats } from "../../weights/model-weights.ts";
import { concatenated } from "../concatenated.ts";
import {
  type DeviceTensor,
  type Executor,
  isDeviceTensor,
  type KvCache,
  type PassInput,
  type PrepareOptions,
} from "../executor.ts";
import { plainOps } from "./plain-ops.ts";
import { type PlainCache, type PlainTensor, plainCache } from "./plain-tensor.ts";

/** Runs passes in plain TypeScript, slow and obvious: what the other executors are held against. Weights are all read, and kept in F32. */
export function plainExecutor(): Executor {
  return {
    name: "plain",
    async prepare(pass: ForwardPass, weights: ModelWeights, { probes }: PrepareOptions = {}) {
      const recorder = probes && probeRecorder(probes);
      const loaded = await loadAll(weights);
      return {
        async run(inputs, step) {
          const tensors: Record<string, PlainTensor> = {};
          for (const [name, input] of Object.entries(inputs)) tensors[name] = await hostTensor(input);
          const cache = step?.cache as PlainCache | undefined;
          const probe = (name: string, { shape, data }: PlainTensor) =>
            recorder?.record(name, shape, data as Float32Array, step?.added);
          const outputs = pass.run(plainOps(loaded, probe, cache), tensors);
          step?.added.forEach((count, n) => {
            step.cache.lengths[n] = (step.cache.lengths[n] as number) + count;
          });
          return Object.fromEntries(Object.entries(outputs).map(([name, x]) => [name, deviceTensor(x)]));
        },
        ...(recorder && { statistics: recorder.statistics }),
        release: async () => loaded.clear(),
      };
    },
    createCache: (spec: CacheSpec, batch: number, capacity: number): KvCache =>
      plainCache(spec, batch, capacity),
    async stack(parts, features) {
      const rows = await Promise.all(parts.map((part) => part.read()));
      const data = concatenated(rows);
      return deviceTensor({ shape: [1, data.length / features, features], data });
    },
  };
}

async function loadAll(weights: ModelWeights): Promise<Map<string, PlainTensor>> {
  const loaded = new Map<string, PlainTensor>();
  for (const [name, { shape }] of weights.specs) {
    const { tensor, quantized } = weights.find(name);
    if (!["F32", "F16", "BF16"].includes(tensor.dtype) && quantized === undefined) continue;
    loaded.set(name, { shape, data: await readFloats(weights, name) });
  }
  return loaded;
}

async function hostTensor(input: PassInput): Promise<PlainTensor> {
  return isDeviceTensor(input) ? { shape: input.shape, data: await input.read() } : input;
}

function deviceTensor({ shape, data }: PlainTensor): DeviceTensor {
  return { shape, read: async () => data as Float32Array };
}
