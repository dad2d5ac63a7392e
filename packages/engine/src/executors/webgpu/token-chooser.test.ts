import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { drawToken, type Sampler, sampler } from "../../generate/sample.ts";
import type { TokenChoice } from "../executor.ts";
import { CommandQueue } from "./command-queue.ts";
import { pipelinesOf } from "./gpu-plan.ts";
import { createTensor } from "./gpu-tensor.ts";
import { tokenChooser } from "./token-chooser.ts";
import { type GpuContext, NoGpuError, openGpu } from "./webgpu-device.ts";
import { nodesGpu } from "./webgpu-in-node.ts";

const opened = await nodesGpu()
  .then((gpu) => openGpu(gpu, { f16: false }))
  .catch((error: unknown) => {
    if (!(error instanceof NoGpuError)) throw error;
    console.warn(`Drawing tokens on a card is not tested here: ${error.message}.`);
    return undefined;
  });

/** Numbers from 0 to below 1 that do not repeat soon. */
function numbers(seed: number): () => number {
  let state = seed;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

/** Logits as a model's: most of them close together, a few above. */
function logitsOf(count: number, seed: number): Float32Array {
  const random = numbers(seed);
  return Float32Array.from({ length: count }, () => {
    const bell = Array.from({ length: 6 }, random).reduce((a, b) => a + b, -3);
    return 3 * bell + (random() < 0.01 ? 8 * random() : 0);
  });
}

describe.skipIf(opened === undefined)("tokens chosen on a card", { timeout: 120_000 }, () => {
  const gpu = opened as GpuContext;
  let queue: CommandQueue;
  let chooser: ReturnType<typeof tokenChooser>;
  beforeAll(() => {
    queue = new CommandQueue(gpu.device);
    chooser = tokenChooser(gpu, queue, pipelinesOf(gpu));
  });
  afterAll(() => gpu.device.destroy());

  /** Tokens of rows of logits `[rows][vocabSize]`, at each step. */
  async function choose(
    rows: readonly Float32Array[],
    choices: readonly TokenChoice[],
    steps: number,
    excluded: readonly number[] = [],
  ): Promise<number[][]> {
    const features = rows[0]?.length ?? 0;
    const logits = createTensor<Float32Array>(gpu, queue, [1, rows.length, features], Float32Array);
    for (const [row, values] of rows.entries())
      gpu.device.queue.writeBuffer(logits.buffer, 4 * row * features, values as Float32Array<ArrayBuffer>);
    const own = chooser(choices);
    const chosen = [];
    for (let step = 0; step < steps; step++) chosen.push(await own.choose(logits, step, excluded));
    const tokens = await Promise.all(chosen.map((tensor) => tensor.read()));
    own.release();
    return tokens.map((each) => [...each]);
  }

  /** Whether the host draws the token, or would by numbers that differ by what sums of F32 may. */
  function isDrawn(token: number | undefined, logits: Float32Array, draw: Sampler, uniform: number): boolean {
    if (drawToken(logits, draw, uniform) === token) return true;
    return [-1e-5, 0, 1e-5].some((a) =>
      [-1e-5, 0, 1e-5].some((b) => {
        const topP = Math.min(1, draw.topP * (1 + a));
        return drawToken(logits, { ...draw, topP }, Math.min(1, Math.max(0, uniform + b))) === token;
      }),
    );
  }

  const uniforms = Float32Array.of(0, 0.013, 0.21, 0.3, 0.456, 0.5, 0.61, 0.74, 0.88, 0.97, 1 - 2 ** -24);
  const options = [
    { temperature: 1 },
    { temperature: 0.7, topP: 0.9 },
    { temperature: 1.5, topK: 40 },
    { temperature: 0.8, topK: 50, topP: 0.95 },
    { temperature: 0 },
    { temperature: 3, topP: 0.3 },
    { temperature: 1e-3, topP: 0.999 },
    { temperature: 1e-40 },
    { temperature: 1, topK: 1 },
    { temperature: 2, topK: 3, topP: 0.5 },
    { temperature: 1, topP: 1e-9 },
    { temperature: 100, topK: 5000, topP: 0.9999 },
  ].map(sampler);

  test.each([1, 2, 7, 64, 1023, 4099, 32_064])("are the host's, of %i", async (count) => {
    const rows = options.map((_, row) => logitsOf(count, 31 * count + row));
    const choices = options.map((draw) => ({ ...draw, uniforms }));
    const found = await choose(rows, choices, uniforms.length);
    let same = 0;
    for (const [step, uniform] of uniforms.entries()) {
      for (const [row, draw] of options.entries()) {
        const logits = rows[row] as Float32Array;
        const token = found[step]?.[row];
        expect({ draw, uniform, token, ok: isDrawn(token, logits, draw, uniform) }).toMatchObject({
          ok: true,
        });
        if (token === drawToken(logits, draw, uniform)) same++;
      }
    }
    expect(same / (uniforms.length * options.length)).toBeGreaterThan(0.98);
  });

  test("are the first of equally likely ones", async () => {
    const random = numbers(3);
    // Whole numbers from −6 to 0, both zeros among the likeliest.
    const rows = options.map(() =>
      Float32Array.from({ length: 3000 }, () => Math.round(6 * random()) - 6 || (random() < 0.5 ? -0 : 0)),
    );
    const found = await choose(
      rows,
      options.map((draw) => ({ ...draw, uniforms })),
      uniforms.length,
    );
    for (const [step, uniform] of uniforms.entries()) {
      for (const [row, draw] of options.entries())
        expect(isDrawn(found[step]?.[row], rows[row] as Float32Array, draw, uniform)).toBe(true);
    }
  });

  test("are none that are excluded, of logit −∞ or too unlikely", async () => {
    const logits = new Float32Array(500).fill(Number.NEGATIVE_INFINITY);
    logits.set([5, 5, -900, 5], 100);
    logits.set([40, 30], 300);
    const found = await choose(
      options.map(() => logits),
      // 1 stands for one that rounding makes as large.
      options.map((draw) => ({ ...draw, uniforms: Float32Array.of(...uniforms, 1) })),
      uniforms.length + 1,
      [300, 301, 103],
    );
    for (const token of found.flat()) expect([100, 101]).toContain(token);
    expect(new Set(found.map(([token]) => token)).size).toBe(2);
  });

  test.each([Number.NaN, -Number.NaN, Number.POSITIVE_INFINITY])(
    "are none where a logit is %s, wherever",
    async (value) => {
      for (const count of [5, 300, 5000]) {
        for (const place of [0, 3, count - 1]) {
          const broken = logitsOf(count, place);
          broken[place] = value;
          // Whether it may be chosen or not.
          for (const excluded of [[], [place]]) {
            const greedy = await choose(
              [broken, logitsOf(count, 1)],
              Array(2).fill({ ...options[4], uniforms }),
              1,
              excluded,
            );
            expect([greedy[0]?.[0], (greedy[0]?.[1] as number) >= 0]).toEqual([-1, true]);
            const drawn = await choose(
              options.map(() => broken),
              options.map((draw) => ({ ...draw, uniforms })),
              2,
              excluded,
            );
            expect(new Set(drawn.flat())).toEqual(new Set([-1]));
          }
        }
      }
    },
  );

  test("are found in PaliGemma's vocabulary", async () => {
    const logits = logitsOf(257_216, 5);
    const some = [options[0], options[1], options[3]] as Sampler[];
    const found = await choose(
      some.map(() => logits),
      some.map((draw) => ({ ...draw, uniforms: Float32Array.of(0.345, 0.9) })),
      2,
    );
    for (const [step, uniform] of [0.345, 0.9].entries()) {
      for (const [row, draw] of some.entries())
        expect(isDrawn(found[step]?.[row], logits, draw, Math.fround(uniform))).toBe(true);
    }
  });
});
