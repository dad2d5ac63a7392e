import type { CacheSpec, ForwardPass } from "@vlmopt/models";
import { hostMoments, hostProducts } from "../../calibration/host-sums.ts";
import {
  type Probed,
  passStatistics,
  type RunningStatistics,
  runningStatistics,
  withProbes,
} from "../../calibration/input-statistics.ts";
import { type ModelWeights, readFloats } from "../../weights/model-weights.ts";
import { concatenated } from "../concatenated.ts";
import {
  assertEqualLengths,
  type DeviceTensor,
  type Executor,
  isDeviceTensor,
  type KvCache,
  type PassInput,
  type PrepareOptions,
} from "../executor.ts";
import { recordPass, weightsOf } from "../recorded-pass.ts";
import { plainOps } from "./plain-ops.ts";
import { featuresOf, type PlainCache, type PlainTensor, plainCache } from "./plain-tensor.ts";

/** Runs passes in plain TypeScript, slow and obvious: what the other executors are held against. Weights are read in F32 and kept. */
export function plainExecutor(): Executor {
  return {
    name: "plain",
    async prepare(pass: ForwardPass, weights: ModelWeights, { probes }: PrepareOptions = {}) {
      const sums = probes && plainSums();
      const loaded = await loadAll(weights, weightsOf(recordPass(pass)));
      return {
        async run(inputs, step) {
          const tensors: Record<string, PlainTensor> = {};
          for (const [name, input] of Object.entries(inputs)) tensors[name] = await hostTensor(input);
          const ops = plainOps(loaded, step?.cache as PlainCache | undefined);
          const noted = probes && withProbes(ops, probes);
          if (noted !== undefined) assertEqualLengths(step);
          const outputs = pass.run(noted?.ops ?? ops, tensors);
          if (noted !== undefined) sums?.record(noted.probed());
          step?.added.forEach((count, n) => {
            step.cache.lengths[n] = (step.cache.lengths[n] as number) + count;
          });
          return Object.fromEntries(Object.entries(outputs).map(([name, x]) => [name, deviceTensor(x)]));
        },
        ...(sums && { statistics: async () => sums.statistics() }),
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

/** Sums over runs, whose linears come in the same order each time. */
function plainSums() {
  let last: readonly Probed<PlainTensor>[] = [];
  const running: RunningStatistics[] = [];
  return {
    record(probed: readonly Probed<PlainTensor>[]) {
      last = probed;
      for (const [n, { x, gram, targets }] of probed.entries()) {
        running[n] ??= runningStatistics(featuresOf(x));
        const sums = running[n];
        const numbers = x.data as Float32Array;
        sums.addMoments(hostMoments(x.shape, numbers));
        if (gram) sums.addGram(hostProducts(numbers, featuresOf(x), numbers, featuresOf(x)));
        for (const { weight, wanted } of targets) {
          const data = wanted.data as Float32Array;
          const products = hostProducts(data, featuresOf(wanted), numbers, featuresOf(x));
          sums.addTarget(
            weight,
            products,
            data.reduce((sum, value) => sum + value * value, 0),
          );
        }
      }
    },
    statistics: () =>
      passStatistics(
        last,
        running.map((sums) => sums.statistics()),
      ),
  };
}

async function loadAll(weights: ModelWeights, names: ReadonlySet<string>): Promise<Map<string, PlainTensor>> {
  const loaded = new Map<string, PlainTensor>();
  for (const name of names) {
    const { shape = [] } = weights.specs.get(name) ?? {};
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
