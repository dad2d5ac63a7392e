import type { Metric } from "../metric.ts";
import { signature } from "../signature.ts";
import { summedMetric } from "./summed-metric.ts";

/**
 * POPE (Li et al. 2023): F1, accuracy, precision and recall of yes, the share of answers that are yes, and of references that are (lmms-eval's
 * `pope_yes_ratio`). Answers other than yes and no count as wrong, and for recall not at all, as lmms-eval counts.
 */
export function pope(): Metric {
  return summedMetric({
    name: "pope",
    figures: [
      "pope-f1",
      "pope-accuracy",
      "pope-precision",
      "pope-recall",
      "pope-yes-rate",
      "pope-yes-references",
    ],
    signature: signature("pope", { variant: "lmms-eval" }),
    size: 6,
    statistics(prediction, references) {
      const [reference] = references;
      const [said, right] = [prediction === "yes", reference === "yes"];
      return Float64Array.of(
        Number(prediction === reference),
        Number(said && right),
        Number(said && !right),
        Number(prediction === "no" && right),
        Number(said),
        Number(right),
      );
    },
    item: ([accuracy = 0]) => ({ "pope-accuracy": accuracy }),
    aggregate([correct = 0, hits = 0, falseYes = 0, falseNo = 0, yes = 0, yesReferences = 0], count) {
      const precision = share(hits, hits + falseYes);
      const recall = share(hits, hits + falseNo);
      return {
        "pope-f1": share(2 * (precision * recall), precision + recall),
        "pope-accuracy": share(correct, count),
        "pope-precision": precision,
        "pope-recall": recall,
        "pope-yes-rate": share(yes, count),
        "pope-yes-references": share(yesReferences, count),
      };
    },
  });
}

/** 0 of nothing. */
function share(part: number, whole: number): number {
  return whole > 0 ? part / whole : 0;
}
