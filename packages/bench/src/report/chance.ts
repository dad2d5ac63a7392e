import type { VariantSummary } from "../records/run-summary.ts";
import { figureOf } from "./result-table.ts";

/** What answers of a variant's family score by a figure without looking at the question; undefined where nobody measured it. */
export type Chance = (variant: VariantSummary, figure: string) => number | undefined;

/** The floor is the dense model's, and stands in the records of those that are held against it. */
export function chanceIn(variants: readonly VariantSummary[]): Chance {
  return ({ family }, figure) => {
    for (const other of variants) {
      if (other.family !== family) continue;
      const floor = figureOf(other, figure)?.retention?.floor;
      if (floor !== undefined && Number.isFinite(floor)) return floor;
    }
    return undefined;
  };
}
