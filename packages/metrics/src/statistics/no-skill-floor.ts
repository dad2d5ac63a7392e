import { checkOptions } from "@vlmopt/options";
import { type CorpusResult, type Metric, MetricInputError, type Scores } from "../metric.ts";
import type { ModelMetric } from "../model-metrics/model-metric.ts";
import { seedRule } from "./option-rules.ts";
import { seededRandom } from "./random.ts";

/** Pairs of a prediction and another item's references that are scored. */
const MOST_PAIRS = 20_000;
/** Of corpora that are too large for that, other items whose references each prediction meets. */
const FEWEST_OTHERS = 5;

/**
 * What predictions score against the references of other items, which they score without anybody having looked: the expectation over all
 * other items of up to 142, else over as many others as make some 20,000 pairs, and at least 5.
 *
 * `statistics` of an item are what its prediction scores against others' references, and others' predictions against its own, less what
 * all pairs score, on average: their sum is that of the floor, and resampling them varies predictions and references alike (Hoeffding 1948).
 * @param seed of the groups within which items meet, where they do not all meet
 * @throws {MetricInputError} for fewer than two items
 */
export async function noSkillFloor(
  metric: Metric | ModelMetric,
  predictions: readonly string[],
  references: readonly (readonly string[])[],
  options: { readonly seed?: number } = {},
): Promise<CorpusResult> {
  checkOptions("noSkillFloor", options, { seed: seedRule });
  const { seed = 12345 } = options;
  const count = predictions.length;
  if (count < 2)
    throw new MetricInputError(
      `a no-skill floor needs the references of other items, and there are ${count}`,
    );
  if (metric.referenceFree || metric.hasNoFloor) return metric.corpus(predictions, references);
  const pairs = groupsOf(count, seed).map((group) =>
    group.flatMap((own) => group.filter((other) => other !== own).map((other) => [own, other] as const)),
  );
  let signature = metric.signature;
  const score = async (some: readonly (readonly [number, number])[]) => {
    const result = await metric.corpus(
      some.map(([own]) => predictions[own] as string),
      some.map(([, other]) => references[other] as readonly string[]),
    );
    signature = result.signature;
    return result.statistics;
  };
  // Groups are scored one by one, so that a model reads each text once and holds few of them.
  const scored: (readonly Float64Array[])[] = [];
  if (metric.needsCorpus) {
    const all = await score(pairs.flat());
    for (let start = 0, g = 0; g < pairs.length; g++) {
      const { length } = pairs[g] as (typeof pairs)[number];
      scored.push(all.slice(start, start + length));
      start += length;
    }
  } else for (const some of pairs) scored.push(await score(some));
  const size = scored[0]?.[0]?.length ?? 0;
  const statistics = predictions.map(() => new Float64Array(size));
  const total = new Float64Array(size);
  for (const [g, some] of pairs.entries()) {
    // Of a group of n items each meets n − 1 others.
    const others = (1 + Math.sqrt(1 + 4 * some.length)) / 2 - 1;
    for (const [n, ends] of some.entries()) {
      const vector = scored[g]?.[n] as Float64Array;
      for (let k = 0; k < size; k++) {
        const share = (vector[k] as number) / others;
        total[k] = (total[k] as number) + share / count;
        for (const item of ends) {
          const own = statistics[item] as Float64Array;
          own[k] = (own[k] as number) + share;
        }
      }
    }
  }
  for (const own of statistics)
    for (let k = 0; k < size; k++) own[k] = (own[k] as number) - (total[k] as number);
  return {
    signature,
    aggregate: metric.aggregate(
      total.map((mean) => mean * count),
      count,
    ),
    items: statistics.map((vector): Scores => metric.aggregate(vector, 1)),
    statistics,
  };
}

/** How many other items' references a prediction meets, for signatures. */
export function floorOthers(count: number): "all" | number {
  const groups = groupCount(count);
  return groups === 1 ? "all" : Math.floor(count / groups) - 1;
}

function groupCount(count: number): number {
  const size = Math.max(FEWEST_OTHERS + 1, Math.ceil(MOST_PAIRS / count) + 1);
  return Math.max(1, Math.floor(count / size));
}

/** Items in groups of equal size but for one, drawn by Fisher and Yates's shuffle. */
function groupsOf(count: number, seed: number): number[][] {
  const order = Array.from({ length: count }, (_, i) => i);
  const random = seededRandom(seed);
  for (let i = count - 1; i > 0; i--) {
    const j = random.below(i + 1);
    [order[i], order[j]] = [order[j] as number, order[i] as number];
  }
  const groups = groupCount(count);
  const edge = (g: number) => Math.round((g * count) / groups);
  return Array.from({ length: groups }, (_, g) => order.slice(edge(g), edge(g + 1)).sort((a, b) => a - b));
}
