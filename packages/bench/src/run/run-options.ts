import type { VariantSpec } from "../recipe/read-recipe.ts";
import type { Target } from "../targets/target.ts";
import type { RunProgress, VariantEnd } from "./run-progress.ts";

export interface RunOptions {
  /** Where everything goes; a run that lies there is gone on with. */
  readonly folder: string;
  /** Measure all anew: what an earlier run of any recipe found there goes. */
  readonly fresh?: boolean | undefined;
  /** Folder of made checkpoints; below VLMOPT_CACHE, else the user's cache, unless told. */
  readonly cache?: string;
  /** Ends the run and the requests that are under way; what was measured stays, and the summary says what is missing. */
  readonly signal?: AbortSignal;
  readonly onProgress?: (progress: RunProgress) => void;
  /** Told what a person should know while it happens: rows left out, questions that could not be answered, requests that are sent again. */
  readonly onNotice?: (notice: string) => void;
  readonly onVariant?: (end: VariantEnd) => void;
  /** What answers for a variant, instead of an engine's process or the recipe's endpoint. */
  readonly openTarget?: (variant: VariantSpec, folder: string | undefined) => Target;
}
