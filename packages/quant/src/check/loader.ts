import type { CheckedModel } from "./checked-model.ts";

/** What a loader can and cannot read, and where that is known from. */
export interface Fact {
  readonly says: string;
  /** A file of the loader at a commit or a version, or what was tried. */
  readonly source: string;
  /** When it was read or tried: year and month. */
  readonly date: string;
}

/** Something of a model that a loader stumbles over. */
export interface Problem {
  /** Whether the loader is sure to refuse the model, or to read it wrong; else it is slow, or it depends. */
  readonly certain: boolean;
  /** A sentence that names what is wrong. */
  readonly message: string;
  /** What to do. */
  readonly cure: string;
  readonly fact: Fact;
}

/** A program that loads models: all that is known of it is in its file. */
export interface Loader {
  readonly name: string;
  check(model: CheckedModel): readonly Problem[];
}

export interface CheckOptions {
  /** Ranks that share each layer, as servers' `--tensor-parallel-size`; 1 unless told. */
  readonly tensorParallel?: number;
}
