import { cdpruner } from "./cdpruner.ts";
import { divprune } from "./divprune.ts";
import { hiprune } from "./hiprune.ts";
import type { VisualTokenMethod } from "./method.ts";
import { pooling } from "./pooling.ts";
import { uniform } from "./uniform.ts";
import { visionzip } from "./visionzip.ts";
import { vispruner } from "./vispruner.ts";

/** All there are. Options, recipes and help read this list. */
export const visualTokenMethods: readonly VisualTokenMethod[] = [
  divprune,
  visionzip,
  vispruner,
  hiprune,
  cdpruner,
  pooling,
  uniform,
];

export const visualTokenMethodNames = visualTokenMethods.map(({ name }) => name);
