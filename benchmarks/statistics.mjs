// Simulates what intervals cover and how often tests find a difference that is none, of single questions and of several about one picture.
//   node benchmarks/statistics.mjs [--times 2000] [--seed 2024]
// Exits 1 where a 95 % interval covers less than 92 % (n ≥ 20), or a test at 5 % rejects more than 6 % (n ≥ 8), by more than two standard errors of the
// simulation.
import { parseArgs } from "node:util";
import { approximateRandomization, bootstrapIntervals } from "@vlmopt/metrics";

const { values } = parseArgs({
  options: { times: { type: "string", default: "2000" }, seed: { type: "string", default: "2024" } },
});
const times = Number(values.times);
let state = Number(values.seed) >>> 0;
/** From 0 to 1 (mulberry32). */
function uniform() {
  state = (state + 0x6d2b79f5) >>> 0;
  let t = Math.imul(state ^ (state >>> 15), 1 | state);
  t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
  return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
}

const metric = {
  figures: ["share"],
  mean: "share",
  aggregate: ([sum], count) => ({ share: sum / count }),
};
const resultOf = (scores) => ({
  signature: "",
  aggregate: { share: scores.reduce((sum, score) => sum + score, 0) / scores.length },
  items: [],
  statistics: scores.map((score) => Float64Array.of(score)),
});
const right = (p) => (uniform() < p ? 1 : 0);

/** Answers to one to five questions each of so many pictures; two of one picture have this correlation. */
function ofPictures(pictures, p, correlation) {
  const [scores, clusters] = [[], []];
  const share = Math.sqrt(correlation);
  for (let picture = 0; picture < pictures; picture++) {
    const own = right(p);
    const questions = 1 + Math.floor(5 * uniform());
    for (let q = 0; q < questions; q++) {
      scores.push(uniform() < share ? own : right(p));
      clusters.push(picture);
    }
  }
  return { scores, clusters };
}

const chances = [0.02, 0.05, 0.1, 0.3, 0.5, 0.7, 0.9, 0.95, 0.98];
const tolerance = (share) => 2 * Math.sqrt((share * (1 - share)) / times);
let failed = 0;

function row(name, shares, isWrong) {
  const cells = shares.map((share) => `${(100 * share).toFixed(1)}${isWrong(share) ? "!" : " "}`.padStart(7));
  failed += shares.filter(isWrong).length;
  console.log(name.padEnd(44), ...cells);
}

function share(simulate) {
  let found = 0;
  for (let i = 0; i < times; i++) if (simulate(i)) found++;
  return found / times;
}

const covers = (p, scores, options) => {
  const { low, high } = bootstrapIntervals(metric, resultOf(scores), { resamples: 1, ...options }).share;
  return low <= p && p <= high;
};

console.log(`Percent of ${times} intervals of 95 % that hold the chance of a right answer`);
console.log("".padEnd(44), ...chances.map((p) => String(p).padEnd(6).padStart(7)));
const tooFew = (covered) => covered < 0.92 - tolerance(0.92);
for (const count of [20, 50, 100, 400]) {
  const covered = chances.map((p) =>
    share(() =>
      covers(
        p,
        Array.from({ length: count }, () => right(p)),
      ),
    ),
  );
  row(`${count} questions`, covered, tooFew);
}
for (const pictures of [20, 50, 200]) {
  for (const correlation of [0, 0.3, 0.8]) {
    const covered = chances.map((p) =>
      share(() => {
        const { scores, clusters } = ofPictures(pictures, p, correlation);
        return covers(p, scores, { clusters });
      }),
    );
    row(`${pictures} pictures, correlation ${correlation}`, covered, tooFew);
  }
}
const blind = chances.map((p) => share(() => covers(p, ofPictures(200, p, 0.8).scores)));
row("200 pictures, correlation 0.8, taken for single", blind, () => false);

console.log(`\nPercent of ${times} tests at 5 % that find a difference between equals`);
const kinds = {
  "0 or 1": () => right(0.7),
  tenths: () => Math.round(10 * uniform()) / 10,
  skewed: () => uniform() ** 8,
};
console.log("".padEnd(44), ...Object.keys(kinds).map((kind) => kind.padEnd(6).padStart(7)));
const tooMany = (found) => found > 0.06 + tolerance(0.05);
const finds = (first, second, seed, clusters) =>
  approximateRandomization(metric, resultOf(first), resultOf(second), {
    trials: 400,
    seed,
    ...(clusters === undefined ? {} : { clusters }),
  }).share.p <= 0.05;
for (const count of [8, 12, 20, 50]) {
  const found = Object.values(kinds).map((score) => {
    const draw = () => Array.from({ length: count }, score);
    return share((i) => finds(draw(), draw(), i));
  });
  row(`${count} questions`, found, tooMany);
}
for (const pictures of [8, 20, 50]) {
  const pairs = (isKnown) =>
    share((i) => {
      const first = ofPictures(pictures, 0.7, 0.8);
      // The second system answers the same questions: each picture again right or wrong as a whole, mostly.
      const second = [];
      let own = 0;
      for (const [q, picture] of first.clusters.entries()) {
        if (picture !== first.clusters[q - 1]) own = right(0.7);
        second.push(uniform() < Math.sqrt(0.8) ? own : right(0.7));
      }
      return finds(first.scores, second, i, isKnown ? first.clusters : undefined);
    });
  row(`${pictures} pictures, correlation 0.8`, [pairs(true)], tooMany);
  row(`${pictures} pictures, taken for single`, [pairs(false)], () => false);
}
if (failed > 0) process.exit(1);
