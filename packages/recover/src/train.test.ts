import { type TrainingState, type TrainingStore, train, trainingPlan } from "@vlmopt/recover";
import { describe, expect, test } from "vitest";
import { madeLesson } from "./test-support/made-lesson.ts";

const start = () => new Map([["w", Float32Array.of(0.1, 4)]]);
const plan = (settings: Parameters<typeof trainingPlan>[0]) => trainingPlan({ batch: 2, ...settings }, 384);

function memoryStore(): TrainingStore & { states: string[] } {
  const states: string[] = [];
  const asText = (_: string, value: unknown) =>
    value instanceof Map
      ? { byName: [...value].map(([name, x]) => [name, Array.from(x as Float32Array)]) }
      : value;
  const asState = (_: string, value: { byName?: [string, number[]][] }) =>
    value?.byName === undefined
      ? value
      : new Map(value.byName.map(([name, x]) => [name, Float32Array.from(x)]));
  return {
    states,
    async read() {
      const last = states.at(-1);
      return last === undefined ? undefined : (JSON.parse(last, asState) as TrainingState);
    },
    async write(state) {
      states.push(JSON.stringify(state, asText));
    },
  };
}

describe("training", () => {
  test("goes to what the rows want, through all of them in turn", async () => {
    const lesson = madeLesson([1, 2, 3], { start: start(), heldOut: 2 });
    const { parameters, bestLoss, end, steps } = await train(
      lesson,
      start(),
      plan({ steps: 300, rate: 0.1, patience: 100 }),
    );
    expect(end).toBe("done");
    expect(steps).toBe(300);
    expect(bestLoss).toBeLessThan(0.01);
    for (const w of parameters.get("w") ?? []) expect(w).toBeCloseTo(2, 1);
    // Three rows in steps of two: every row twice in three steps.
    for (let step = 0; step < 30; step += 3)
      expect(
        lesson.seen
          .slice(step, step + 3)
          .flat()
          .toSorted(),
      ).toEqual([0, 0, 1, 1, 2, 2]);
  });

  test("keeps the best on what is held out, and ends where it gets no better", async () => {
    // Half way to what the rows want, the held-out row has all it wants.
    const lesson = madeLesson([2], { start: new Map([["w", Float32Array.of(0)]]), heldOut: 1 });
    const { parameters, bestStep, steps, end, initialLoss, bestLoss } = await train(
      lesson,
      new Map([["w", Float32Array.of(0)]]),
      plan({ steps: 1000, rate: 0.05, warmup: 0, batch: 1, testEvery: 1, patience: 3 }),
    );
    expect(end).toBe("no better");
    expect(parameters.get("w")?.[0]).toBeCloseTo(1, 1);
    expect(steps).toBe(bestStep + 3);
    expect(bestLoss).toBeLessThan(initialLoss);
  });

  test("gives back what came in where nothing is better", async () => {
    const lesson = madeLesson([5], { start: new Map([["w", Float32Array.of(0)]]), heldOut: -1 });
    const initial = new Map([["w", Float32Array.of(0)]]);
    const found = await train(lesson, initial, plan({ steps: 20, rate: 0.1, batch: 1 }));
    expect(found.bestStep).toBe(0);
    expect(found.parameters).toEqual(initial);
  });

  test("ends with the best so far at a loss that is not finite", async () => {
    const lossOf = (loss: number, n: number) => (n === 12 ? Number.NaN : loss);
    const lesson = madeLesson([1], { start: new Map([["w", Float32Array.of(0)]]), heldOut: 1, lossOf });
    const found = await train(
      lesson,
      new Map([["w", Float32Array.of(0)]]),
      plan({ steps: 100, rate: 0.05, batch: 1, testEvery: 5 }),
    );
    expect(found).toMatchObject({ end: "not finite", steps: 11, bestStep: 10 });
  });

  test("refuses a student whose loss is not finite from the start", async () => {
    const lesson = madeLesson([1], { start: new Map(), heldOut: Number.NaN });
    const broken = train(lesson, new Map([["w", Float32Array.of(0)]]), plan({ steps: 5 }));
    await expect(broken).rejects.toThrow("held out is NaN before it has learned anything");
  });

  test.each([1, 7, 13])("stopped after step %i goes on to the same bits", async (stopped) => {
    const settings = plan({ steps: 20, rate: 0.1, testEvery: 4 });
    const whole = await train(madeLesson([1, 2, 3], { start: start(), heldOut: 2 }), start(), settings);
    const store = memoryStore();
    const controller = new AbortController();
    const first = train(madeLesson([1, 2, 3], { start: start(), heldOut: 2 }), start(), settings, {
      store,
      signal: controller.signal,
      onStep: ({ step }) => step === stopped && controller.abort(),
    });
    await expect(first).rejects.toThrow("aborted");
    expect(store.states.length).toBe(1);
    const again = await train(madeLesson([1, 2, 3], { start: start(), heldOut: 2 }), start(), settings, {
      store,
    });
    expect(again).toEqual(whole);
  });

  test("a time gives as many steps as there is room for", async () => {
    const lesson = madeLesson([1, 2], { start: start(), heldOut: 1 });
    const slow = {
      ...lesson,
      gradient: async (...given: Parameters<typeof lesson.gradient>) => {
        await new Promise((resolve) => setTimeout(resolve, 20));
        return lesson.gradient(...given);
      },
    };
    const started = performance.now();
    const { steps } = await train(slow, start(), plan({ time: 500, rate: 0.01 }));
    expect(steps).toBeGreaterThan(4);
    expect(steps).toBeLessThanOrEqual(25);
    expect(performance.now() - started).toBeLessThan(5000);
  });

  test("steps and a time exclude each other", () => {
    expect(() => plan({ steps: 5, time: 5 })).toThrow("give one of the two");
  });

  test("leaves zeros of a weight that was pruned number by number", async () => {
    const sparse = () => new Map([["w", Float32Array.of(0, 1, 0, 2)]]);
    const lesson = madeLesson([5], { start: sparse(), heldOut: 5 });
    const { parameters } = await train(lesson, sparse(), plan({ steps: 200, rate: 0.1, batch: 1 }));
    const [first, second, third] = parameters.get("w") ?? [];
    expect([first, third]).toEqual([0, 0]);
    expect(second).toBeGreaterThan(4);
  });
});
