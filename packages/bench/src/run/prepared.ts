import type { VariantSpec } from "../recipe/read-recipe.ts";
import type { MadeCheckpoint } from "./made-checkpoint.ts";

/** What a variant is measured as: its checkpoint, made, and the hash that its records bear. */
export interface Prepared {
  readonly variant: VariantSpec;
  readonly hash: string;
  /** Undefined for endpoints. */
  readonly made: MadeCheckpoint | undefined;
}
