import { expect, test } from "vitest";
import { medianInterval } from "./median-interval.ts";

test("the median and its interval are scipy's", () => {
  // scipy.stats.bootstrap((x,), numpy.median, method="percentile", n_resamples=200000): 12.05 to 12.9.
  const samples = [12.1, 11.8, 13.0, 12.4, 19.9, 12.2, 11.9, 12.8, 12.0, 12.6, 14.1, 12.3];
  const { median, low, high, samples: count } = medianInterval(samples, 0.95) ?? {};
  expect(median).toBeCloseTo(12.35, 10);
  expect(low).toBeCloseTo(12.05, 1);
  expect(high).toBeCloseTo(12.9, 1);
  expect(count).toBe(12);
});

test("one sample is its own interval, and none has none", () => {
  expect(medianInterval([7], 0.95)).toEqual({ median: 7, low: 7, high: 7, samples: 1 });
  expect(medianInterval([], 0.95)).toBeUndefined();
});
