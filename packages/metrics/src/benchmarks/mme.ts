import type { Metric } from "../metric.ts";
import { signature } from "../signature.ts";
import { summedMetric } from "./summed-metric.ts";
import { unpackUnit } from "./unit.ts";

const PERCEPTION = [
  ...[
    "existence",
    "count",
    "position",
    "color",
    "posters",
    "celebrity",
    "scene",
    "landmark",
    "artwork",
    "OCR",
  ],
];
const COGNITION = ["commonsense_reasoning", "numerical_calculation", "text_translation", "code_reasoning"];
const CATEGORIES = [...PERCEPTION, ...COGNITION];

/**
 * MME (Fu et al. 2023). A unit is a picture's two questions: 100 points for the share that is right, and 100 more where both are. A category's score is the
 * mean over its pictures; perception adds ten of them up (2000 at most), cognition four (800).
 *
 * A reference is the category, then the right answers: `["count","yes","no"]`.
 */
export function mme(): Metric {
  const figures = ["mme-perception", "mme-cognition", "mme"];
  const named = (scores: readonly number[]) => {
    const total = (from: number, to: number) => scores.slice(from, to).reduce((sum, score) => sum + score, 0);
    const [perception, cognition] = [
      total(0, PERCEPTION.length),
      total(PERCEPTION.length, CATEGORIES.length),
    ];
    return { "mme-perception": perception, "mme-cognition": cognition, mme: perception + cognition };
  };
  return summedMetric({
    name: "mme",
    figures,
    signature: signature("mme", { variant: "lmms-eval" }),
    size: 2 * CATEGORIES.length,
    statistics(prediction, references) {
      const [category = "", ...right] = unpackUnit(references[0] ?? "", "mme");
      const said = unpackUnit(prediction, "mme");
      const correct = right.filter((answer, i) => said[i] === answer).length;
      const points = (100 * correct) / right.length + (correct === right.length ? 100 : 0);
      const vector = new Float64Array(2 * CATEGORIES.length);
      // Others are counted as cognition there.
      const place = CATEGORIES.includes(category) ? CATEGORIES.indexOf(category) : CATEGORIES.length - 1;
      vector.set([points, 1], 2 * place);
      return vector;
    },
    item: (vector) => ({ "mme-points": vector.find((value, i) => i % 2 === 0 && value > 0) ?? 0 }),
    aggregate: (sum) =>
      named(
        CATEGORIES.map((_, i) =>
          (sum[2 * i + 1] ?? 0) === 0 ? 0 : (sum[2 * i] ?? 0) / (sum[2 * i + 1] ?? 1),
        ),
      ),
  });
}
