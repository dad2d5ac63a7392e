import type { VariantSpec } from "../recipe/read-recipe.ts";
import { textHash } from "./content-hash.ts";
import type { MadeCheckpoint } from "./made-checkpoint.ts";

/** Changes with what is measured, so that records of earlier versions do not count. */
export const PROTOCOL_VERSION = 3;

/** What a variant is measured as: its checkpoint, made, and the hash that its records bear. */
export interface Prepared {
  readonly variant: VariantSpec;
  readonly hash: string;
  /** Undefined for endpoints. */
  readonly made: MadeCheckpoint | undefined;
}

/** What records of a variant bear that could not be made. */
export function unmadeHash(variant: VariantSpec): string {
  return textHash(JSON.stringify([PROTOCOL_VERSION, variant]));
}
