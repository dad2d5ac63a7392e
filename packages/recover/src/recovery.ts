import { checkOptions, finite, oneOf, type Rules, whole } from "@vlmopt/options";
import { type TrainingSettings, trainingRules } from "./training-settings.ts";

/** What is trained, and so what has to fit into memory. */
export const recoveryWays = ["whole", "lora", "layers", "projector"] as const;

/**
 * `whole`: all weights of the layers. `lora`: matrices of low rank beside each linear, merged into it in the end. `layers`: one layer after the
 * other, each towards the dense one's output for the same input. `projector`: what brings pictures to the language model, and nothing else.
 */
export type RecoveryWay = (typeof recoveryWays)[number];

/** How a pruned model learns from the dense one. */
export interface Recovery extends TrainingSettings {
  /** By default `whole`, `lora` or `layers`: the first that fits into memory. */
  readonly way?: RecoveryWay | undefined;
  /** Of `lora`; 16 by default. */
  readonly rank?: number | undefined;
  /** Of `lora`: B·A is multiplied by alpha / rank; 32 by default. */
  readonly alpha?: number | undefined;
  /** Of the distributions that are compared; 1 by default. */
  readonly temperature?: number | undefined;
  /** Weight of the states behind the last layer beside the distributions; 0 by default. */
  readonly hiddenWeight?: number | undefined;
}

export const recoveryRules: Rules<Recovery> = {
  ...trainingRules,
  way: oneOf(recoveryWays),
  rank: whole(),
  alpha: finite({ above: 0 }),
  temperature: finite({ above: 0 }),
  hiddenWeight: finite({ from: 0 }),
};

/** @throws {OptionError} where a setting is not what it should be */
export function checkRecovery(recovery: Recovery): void {
  checkOptions("recovery", recovery, recoveryRules);
}

/** Of a student and its teacher: numbers of their weights, and of the student's layers. */
export interface RecoverySizes {
  readonly student: number;
  readonly teacher: number;
  readonly layers: number;
  readonly layerCount: number;
}

/** What stays of forward passes until derivatives are known, and what the engine needs besides. */
const PASSES = 3 * 2 ** 30;

/**
 * Bytes that a way takes, about: weights in F32, for each that is trained its gradient, two means of the optimizer and the best so far.
 */
export function recoveryBytes(
  way: RecoveryWay,
  { student, teacher, layers, layerCount }: RecoverySizes,
): number {
  switch (way) {
    case "whole":
      return PASSES + 4 * (student + teacher + 4 * layers);
    case "lora":
    case "projector":
      return PASSES + 4 * (student + teacher);
    case "layers":
      return PASSES + (4 * 6 * layers) / layerCount;
  }
}

/** The way asked for, or the first that fits. */
export function chosenWay(
  asked: RecoveryWay | undefined,
  sizes: RecoverySizes,
  memory: number,
): { readonly way: RecoveryWay; readonly bytes: number; readonly fits: boolean } {
  const candidates = recoveryWays.filter((way) =>
    asked === undefined ? way !== "projector" : way === asked,
  );
  const all = candidates.map((way) => {
    const bytes = recoveryBytes(way, sizes);
    return { way, bytes, fits: bytes <= memory };
  });
  return all.find(({ fits }) => fits) ?? (all.at(-1) as (typeof all)[number]);
}
