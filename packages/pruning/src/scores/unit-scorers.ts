import { PruningError } from "../prunable.ts";
import { l2 } from "./l2.ts";
import { maw } from "./maw.ts";
import { minitron } from "./minitron.ts";
import { norm } from "./norm.ts";
import { obd } from "./obd.ts";
import { obs } from "./obs.ts";
import { pon } from "./pon.ts";
import { random } from "./random.ts";
import type { UnitKind, UnitScorer } from "./unit-scorer.ts";
import { vow } from "./vow.ts";
import { wandaSp } from "./wanda-sp.ts";
import { wifv } from "./wifv.ts";

/** All that have a name. Command line, recipes and tables read this list. */
export const unitScorers: readonly UnitScorer[] = [
  obd,
  obs,
  wifv,
  wandaSp,
  minitron,
  maw,
  vow,
  pon,
  l2,
  norm,
  random,
];

/** What is taken by default: with calibration data, and by weights alone. */
export const defaultScorers = {
  activations: { neurons: "obd", heads: "obs" },
  weights: { neurons: "maw", heads: "norm" },
} as const satisfies Record<UnitScorer["needs"], Record<UnitKind, string>>;

/** Names of the scorers of such units. */
export function scorerNames(units: UnitKind, needs?: UnitScorer["needs"]): string[] {
  return unitScorers
    .filter((scorer) => scorer.units.includes(units) && (needs === undefined || scorer.needs === needs))
    .map(({ name }) => name);
}

/**
 * A scorer by its name; one that is given as an object is itself.
 * @throws {PruningError} where there is none of that name for such units, naming those there are
 */
export function scorerNamed(scorer: string | UnitScorer, units: UnitKind): UnitScorer {
  const found = typeof scorer === "string" ? unitScorers.find(({ name }) => name === scorer) : scorer;
  if (found?.units.includes(units) === true) return found;
  throw new PruningError(
    `${typeof scorer === "string" ? scorer : scorer.name} is no score of ${units}`,
    `scores of ${units} are ${scorerNames(units).join(", ")}`,
  );
}
