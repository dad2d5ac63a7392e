import { checkOptions, flag, name, OptionError, oneOf, type Rules, whole } from "@vlmopt/options";
import type { VisualTokenMethod } from "./method.ts";
import { visualTokenMethodNames, visualTokenMethods } from "./methods.ts";

/** That fewer of each picture's tokens go on than the model was made for. */
export interface VisualTokens {
  /** Tokens of a picture that stay, at most; a picture that has no more keeps all. */
  readonly keep: number;
  /** One of `visualTokenMethodNames`; `divprune` unless told. */
  readonly method?: string;
  /**
   * Whether tokens that do not stay are merged into those that do, which then count as often as the tokens they stand for. True unless told; false is
   * as papers have their methods. Methods inside of the decoder merge nothing.
   */
  readonly merge?: boolean;
  /** Folder of the CLIP that has the model's vision tower, for methods that read the question. */
  readonly clip?: string;
}

export const visualTokenRules: Rules<VisualTokens> = {
  keep: whole(),
  method: oneOf(visualTokenMethodNames),
  merge: flag,
  clip: name,
};

/** Settings with what they leave open. */
export interface VisualTokenPlan {
  readonly keep: number;
  readonly method: VisualTokenMethod;
  readonly merge: boolean;
  readonly clip: string | undefined;
}

/** @throws {OptionError} that names what is wrong */
export function visualTokenPlan(call: string, settings: VisualTokens): VisualTokenPlan {
  checkOptions(call, settings, visualTokenRules, ["keep"]);
  const { keep, method = "divprune", merge = true, clip } = settings;
  const found = visualTokenMethods.find(({ name: known }) => known === method) as VisualTokenMethod;
  const asksClip = found.place === "picture" && found.needsQuestion === true;
  if (asksClip && clip === undefined) {
    throw new OptionError(
      `${call}: the method ${method} needs clip, the folder of the CLIP whose vision tower the model has`,
    );
  }
  if (!asksClip && clip !== undefined)
    throw new OptionError(
      `${call}: clip says nothing, since the method ${method} does not look at the question`,
    );
  return { keep, method: found, merge: merge && found.place === "picture", clip };
}
