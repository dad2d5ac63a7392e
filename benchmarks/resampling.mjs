// Times intervals and tests by resampling, beside scipy's bootstrap and permutation test (VLMOPT_PYTHON).
//   node benchmarks/resampling.mjs [--items 10000] [--rounds 3]
import { execFileSync } from "node:child_process";
import { parseArgs } from "node:util";
import { approximateRandomization, bootstrapIntervals, rouge } from "@vlmopt/metrics";
import { printTable, sideBySide } from "./side-by-side.mjs";

const { values } = parseArgs({
  options: { items: { type: "string", default: "10000" }, rounds: { type: "string", default: "3" } },
});
const [count, rounds] = [Number(values.items), Number(values.rounds)];
const metric = rouge({ types: ["rougeL"] });
const system = () => {
  const statistics = Array.from({ length: count }, () => Float64Array.from({ length: 3 }, Math.random));
  const sum = statistics.reduce((total, x) => total.map((value, k) => value + x[k]), new Float64Array(3));
  return { signature: "", aggregate: metric.aggregate(sum, count), items: [], statistics };
};
const [first, second] = [system(), system()];
const ours = await sideBySide(
  {
    percentile: () => void bootstrapIntervals(metric, first),
    bca: () => void bootstrapIntervals(metric, first, { method: "bca" }),
    randomization: () => void approximateRandomization(metric, first, second, { trials: 1000 }),
  },
  { rounds },
);
let scipy = {};
const python = process.env.VLMOPT_PYTHON;
if (python) {
  const code = `
import json, sys, time
import numpy as np
from scipy import stats
count, rounds = int(sys.argv[1]), int(sys.argv[2])
rng = np.random.default_rng(1)
# Three figures an item, as ours.
x, y = rng.random((3, count)), rng.random((3, count))
mean = lambda a, axis: np.mean(a, axis=axis)
gap = lambda a, b, axis: np.mean(b, axis=axis) - np.mean(a, axis=axis)
def median(work):
    times = []
    for _ in range(rounds + 1):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return sorted(times[1:])[rounds // 2]
options = dict(n_resamples=1000, axis=1, vectorized=True, batch=100)
boot = lambda method: stats.bootstrap((x,), mean, method=method, **options)
print(json.dumps({
    "percentile": median(lambda: boot("percentile")),
    "paired": median(lambda: stats.bootstrap((x, y), gap, paired=True, method="percentile", **options)),
    "randomization": median(lambda: stats.permutation_test((x, y), gap, permutation_type="samples", **options)),
}))`;
  scipy = JSON.parse(execFileSync(python, ["-c", code, String(count), String(rounds)], { encoding: "utf8" }));
} else console.log("scipy was not measured: set VLMOPT_PYTHON to a python3 that has it.");
printTable([
  [`${count} items × 1000 resamples`, "seconds", "scipy", "times faster"],
  ...Object.entries(ours).map(([name, { seconds }]) => [
    name,
    seconds.toFixed(3),
    scipy[name]?.toFixed(3) ?? "",
    scipy[name] ? (scipy[name] / seconds).toFixed(1) : "",
  ]),
]);
