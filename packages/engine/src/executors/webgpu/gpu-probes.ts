// Sums of what goes into linears, computed where it is: tokens stay on the card.
import type { ResidualTarget } from "@vlmopt/models";
import {
  type PassStatistics,
  type Probed,
  passStatistics,
  type RunningStatistics,
  runningStatistics,
} from "../../calibration/input-statistics.ts";
import type { Value } from "../recorded-pass.ts";
import type { CommandQueue } from "./command-queue.ts";
import { encode, featuresOf, type Pipelines, type Placed, PlanBuilder, rowsOf } from "./gpu-plan.ts";
import { createTensor, type GpuTensor } from "./gpu-tensor.ts";
import { channelSums, SUM_CHANNELS } from "./kernels/channel-sums.ts";
import { CROSS_TILE, crossProducts, mirrorUpper } from "./kernels/cross-products.ts";
import { areQuads } from "./kernels/row-norm.ts";
import type { GpuContext } from "./webgpu-device.ts";

export interface GpuProbes {
  /** Names of the outputs that a pass needs for it. */
  readonly outputs: Readonly<Record<string, Value>>;
  /** Adds the sums to a plan whose outputs are placed. @returns its outputs then */
  lower(plan: PlanBuilder, outputs: Readonly<Record<string, Placed>>): Readonly<Record<string, Placed>>;
  /** Takes a run's sums out of what it gave. */
  take(results: Map<string, GpuTensor<Float32Array>>): Promise<void>;
  statistics(): Promise<PassStatistics>;
  release(): void;
}

/** Runs whose sums wait on the card at most. */
const WAITING = 64;

const valueName = (value: Value) => `value ${value}`;
/** Tokens of a sequence are told by the name, since sums of one plan wait beside those of another. */
const sumsName = (value: Value, tokens: number) => `sums ${value} ${tokens}`;

export function gpuProbes(
  gpu: GpuContext,
  queue: CommandQueue,
  pipelines: Pipelines,
  probed: readonly Probed<Value>[],
): GpuProbes {
  /** Every value of which sums are wanted: what goes into linears, and targets. */
  const values = [
    ...new Set(probed.flatMap(({ x, targets }) => [x, ...targets.map(({ wanted }) => wanted)])),
  ];
  const running = new Map<Value, RunningStatistics>();
  const products = new Map<string, GpuTensor<Float32Array>>();
  const waiting: {
    readonly value: Value;
    readonly tokens: number;
    readonly sums: GpuTensor<Float32Array>;
  }[] = [];

  const productsOf = (name: string, shape: readonly [number, number]) => {
    const found = products.get(name);
    if (found !== undefined) return found;
    const made = createTensor<Float32Array>(gpu, queue, shape, Float32Array);
    queue.encoder.clearBuffer(made.buffer);
    products.set(name, made);
    return made;
  };

  function multiply(plan: PlanBuilder, name: string, a: Placed, b: Placed): void {
    const [aFeatures, bFeatures] = [featuresOf(a), featuresOf(b)];
    const symmetric = a === b;
    plan.dispatch(
      crossProducts,
      [{ quads: areQuads(aFeatures, bFeatures), symmetric }],
      { rows: rowsOf(a), aFeatures, bFeatures },
      [a.buffer, b.buffer, productsOf(name, [aFeatures, bFeatures]).buffer],
      [Math.ceil(bFeatures / CROSS_TILE), Math.ceil(aFeatures / CROSS_TILE)],
    );
  }

  async function flush(): Promise<void> {
    for (const { value, tokens, sums } of waiting.splice(0)) {
      const [sequences, , channels] = sums.shape as [number, number, number];
      const own = running.get(value) ?? runningStatistics(channels);
      running.set(value, own);
      own.addMoments({ sequences, tokens, figures: await sums.read() });
      sums.release?.();
    }
  }

  return {
    outputs: Object.fromEntries(values.map((value) => [valueName(value), value])),
    lower(plan, outputs) {
      const placed = (value: Value) => outputs[valueName(value)] as Placed;
      const results = Object.fromEntries(
        Object.entries(outputs).filter(([name]) => !values.some((value) => name === valueName(value))),
      );
      for (const value of values) {
        const x = placed(value);
        const [sequences, tokens, features] = x.shape as [number, number, number];
        const sums = plan.place([sequences, 4, features]);
        plan.dispatch(
          channelSums,
          [],
          { tokens, features },
          [x.buffer, sums.buffer],
          [Math.ceil(features / SUM_CHANNELS), sequences],
        );
        results[sumsName(value, tokens)] = sums;
      }
      for (const { x, gram, targets } of probed) {
        if (gram) multiply(plan, `gram ${x}`, placed(x), placed(x));
        for (const { weight, wanted } of targets) multiply(plan, weight, placed(wanted), placed(x));
      }
      return results;
    },
    async take(results) {
      for (const [name, sums] of [...results]) {
        const [kind, value, tokens] = name.split(" ");
        if (kind !== "sums") continue;
        results.delete(name);
        waiting.push({ value: Number(value), tokens: Number(tokens), sums });
      }
      if (waiting.length > WAITING * values.length) await flush();
    },
    async statistics() {
      await flush();
      const found = [];
      for (const { x, gram, targets } of probed) {
        const own = running.get(x);
        if (own === undefined) {
          found.push(undefined);
          continue;
        }
        const crossed = new Map<string, ResidualTarget>();
        for (const { weight, wanted } of targets) {
          const { input } = (running.get(wanted) as RunningStatistics).statistics();
          const squares = input.tokens * input.meanSquare.reduce((sum, square) => sum + square, 0);
          const cross = await (products.get(weight) as GpuTensor<Float32Array>).read();
          crossed.set(weight, { cross, squares });
        }
        const { input } = own.statistics();
        const whole = gram
          ? await wholeGram(products.get(`gram ${x}`) as GpuTensor<Float32Array>)
          : undefined;
        found.push({ input: { ...input, gram: whole }, targets: crossed });
      }
      return passStatistics(probed, found);
    },
    release() {
      for (const { sums } of waiting) sums.release?.();
      for (const tensor of products.values()) tensor.release?.();
      products.clear();
    },
  };

  async function wholeGram(gram: GpuTensor<Float32Array>): Promise<Float32Array> {
    const size = gram.shape[0] as number;
    const plan = new PlanBuilder(gpu, pipelines);
    plan.dispatch(mirrorUpper, [], { size }, [gram.buffer], [Math.ceil(size / 64), size]);
    const { commands, buffers } = await plan.finish();
    encode(queue.encoder, commands);
    for (const buffer of buffers) queue.destroy(buffer);
    return gram.read();
  }
}
