import { cdpruner } from "./cdpruner.ts";
import { divprune } from "./divprune.ts";
import { fastv } from "./fastv.ts";
import { hiprune } from "./hiprune.ts";
import type { VisualTokenMethod } from "./method.ts";
import { pooling } from "./pooling.ts";
import { pyramiddrop } from "./pyramiddrop.ts";
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
  fastv,
  pyramiddrop,
  pooling,
  uniform,
];

export const visualTokenMethodNames = visualTokenMethods.map(({ name }) => name);
