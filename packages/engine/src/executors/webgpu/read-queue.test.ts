import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ReadQueue } from "./read-queue.ts";

beforeEach(() => {
  vi.stubGlobal("GPUMapMode", { READ: 1 });
  vi.useFakeTimers({ toFake: ["setTimeout", "performance"] });
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

/** When eight buffers are asked for, of which one is there every so many milliseconds. */
async function askTimes(pauses: boolean, every = 30): Promise<number[]> {
  const queue = new ReadQueue({ pauses });
  const started = performance.now();
  const asked: number[] = [];
  const order: number[] = [];
  for (let n = 0; n < 8; n++) {
    const buffer = {
      async mapAsync() {
        const now = performance.now() - started;
        asked.push(now);
        await new Promise((resolve) => setTimeout(resolve, Math.max(0, every * (n + 1) - now)));
      },
    } as unknown as GPUBuffer;
    void queue.map(buffer).then(() => order.push(n));
  }
  await vi.advanceTimersByTimeAsync(1000);
  expect(order).toEqual([0, 1, 2, 3, 4, 5, 6, 7]);
  return asked;
}

test("results are asked for in order, each when the one before it is there", async () => {
  expect(await askTimes(false)).toEqual([0, 30, 60, 90, 120, 150, 180, 210]);
});

test("where asking costs much, results that follow each other are left alone for most of the time between them", async () => {
  expect(await askTimes(true)).toEqual([0, 30, 86, 116, 146, 176, 206, 236]);
});

test("results that come faster than timers keep time are asked for at once", async () => {
  expect(await askTimes(true, 2)).toEqual([0, 2, 4, 6, 8, 10, 12, 14]);
  expect(await askTimes(true, 3)).toEqual([0, 3, 7, 10, 13, 16, 19, 22]);
});

test("one that fails holds the others up no further", async () => {
  const queue = new ReadQueue({ pauses: true });
  const failing = { mapAsync: () => Promise.reject(new Error("lost")) } as unknown as GPUBuffer;
  const fine = { mapAsync: () => Promise.resolve() } as unknown as GPUBuffer;
  const results = await Promise.allSettled([queue.map(failing), queue.map(fine)]);
  expect(results.map(({ status }) => status)).toEqual(["rejected", "fulfilled"]);
});
