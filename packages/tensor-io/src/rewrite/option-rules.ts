import { flag, func, listOf, object, oneOf, type Rules, whole } from "@vlmopt/options";
import { dtypes } from "../dtype.ts";
import type { RewriteOptions } from "./rewrite-checkpoint.ts";

/** Of what rewrites a checkpoint, in other packages too. */
export const rewriteRules: Rules<RewriteOptions> = {
  workers: whole({ from: 0, to: 256 }),
  shardSize: whole({ endless: true }),
  dtype: oneOf(dtypes),
  add: listOf(object),
  files: object,
  refuseNonFinite: flag,
  metadata: object,
  signal: object,
  onProgress: func,
};
