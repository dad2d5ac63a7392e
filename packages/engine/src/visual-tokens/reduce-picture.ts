import {
  ConfigError,
  chosenRows,
  type Evidence,
  type ForwardPass,
  type HostTensor,
  type ModelDescription,
  type ModelForward,
  mixedRows,
  type PictureTokens,
  type ProcessedImage,
  type TokenGrid,
} from "@vlmopt/models";
import { OptionError } from "@vlmopt/options";
import type { DeviceTensor } from "../executors/executor.ts";
import { featureNames, type ImageFeatures } from "../image-features.ts";
import type { PreparedOnce } from "../prepared-once.ts";
import { mergeNearest } from "./merge-nearest.ts";
import type { MergedTokens, PictureMethod } from "./method.ts";
import { readEvidence } from "./read-evidence.ts";
import type { VisualTokenPlan } from "./visual-tokens.ts";

/** What became of a picture's tokens. */
export interface TokenReduction {
  /** Tokens that the picture has. */
  readonly of: number;
  /** Numbers of those that stayed, ascending. */
  readonly kept: readonly number[];
  /** How many tokens each counts as, where merged ones count for several. */
  readonly sizes: readonly number[] | undefined;
  /** Where the picture's tokens lie. */
  readonly grids: readonly TokenGrid[];
}

/** Tells how much each patch has to do with the question, by the tower's `states`. */
export type RelevanceOf = (states: DeviceTensor) => Promise<Float64Array>;

/**
 * Sees pictures with fewer tokens.
 * @throws {RangeError} where more tokens are to stay than the picture has
 * @throws {OptionError} where the method looks at what the tower does not have
 */
export type ReducedSight = (
  image: ProcessedImage,
  plan: VisualTokenPlan,
  relevanceOf?: RelevanceOf,
) => Promise<ImageFeatures>;

export function reducedSight(
  prepared: PreparedOnce,
  description: ModelDescription,
  forward: ModelForward,
): ReducedSight {
  const { hiddenSize } = description.languageModel;
  const passes = new Map<string, ForwardPass>();
  /** Passes are told apart by who made them: the same is made once. */
  const once = (key: string, make: () => ForwardPass) => {
    const pass = passes.get(key) ?? make();
    passes.set(key, pass);
    return prepared(pass);
  };
  const chosen = async (x: DeviceTensor, rows: readonly number[]) => {
    const given = { x, rows: { shape: [rows.length], data: Int32Array.from(rows) } };
    return (await (await once("choose", () => chosenRows(hiddenSize))).run(given)).chosen as DeviceTensor;
  };
  const mixed = async (x: DeviceTensor, shares: HostTensor) => {
    const width = x.shape.at(-1) as number;
    return (await (await once(`mix ${width}`, () => mixedRows(width))).run({ x, shares }))
      .chosen as DeviceTensor;
  };
  const names = featureNames(forward);

  return async (image, plan, relevanceOf) => {
    const { imageEncoder } = forward;
    const tokens = imageEncoder?.tokens;
    if (imageEncoder === undefined || tokens === undefined) {
      throw new ConfigError(
        `picture tokens of this ${description.modelType} are no places of the picture: let all of them stay`,
      );
    }
    const layout = tokens.layout(image);
    const { grids } = layout;
    const of = layout.patches.length;
    const candidates = [...layout.patches.keys()].filter((token) => layout.patches[token]?.length !== 0);
    assertTokens(candidates.length, plan.keep);
    const method = plan.method as PictureMethod;
    const kinds = kindsFor(method, plan, tokens, description);
    if (plan.keep === candidates.length) {
      const tensors = await (await prepared(imageEncoder.pass)).run(imageEncoder.inputsOf(image));
      return {
        rows: of,
        tensors,
        reduced: { of, kept: [...layout.patches.keys()], sizes: undefined, grids },
      };
    }
    const observed = await once(kinds.join(" "), () => tokens.observed(kinds));
    const tensors = await observed.run({
      ...imageEncoder.inputsOf(image),
      ...tokens.furtherInputsOf?.(image, kinds),
    });
    try {
      const states = tensors.states as DeviceTensor;
      const relevance = relevanceOf && (await relevanceOf(states));
      const evidence = await readEvidence(tensors, tokens, layout, candidates, relevance);
      const choice = method.choose(evidence, plan.keep);
      const merged =
        choice.merged ??
        (plan.merge ? mergeNearest(evidence.cosines("featureProducts"), choice.kept) : undefined);
      const kept = choice.kept.map((place) => candidates[place] as number);
      const reduced = { of, kept, sizes: plan.merge ? merged?.sizes : undefined, grids };
      const rows = kept.length;
      if (merged?.of === "states") {
        const patchOf = (place: number) => layout.patches[candidates[place] as number]?.[0] as number;
        const shares = sharesOf(merged, states.shape[1] as number, patchOf);
        const project = await prepared(tokens.project as ForwardPass);
        const { features } = await project.run({ states: await mixed(states, shares) });
        return { rows, tensors: { features: features as DeviceTensor }, reduced };
      }
      const shares = merged && sharesOf(merged, of, (place) => candidates[place] as number);
      const features: Record<string, DeviceTensor> = {};
      for (const name of names) {
        const x = tensors[name] as DeviceTensor;
        features[name] = shares === undefined ? await chosen(x, kept) : await mixed(x, shares);
      }
      return { rows, tensors: features, reduced };
    } finally {
      for (const tensor of Object.values(tensors)) tensor.release?.();
    }
  };
}

/** @throws {RangeError} where a picture has fewer tokens than are to stay */
export function assertTokens(count: number, keep: number): void {
  if (keep <= count) return;
  throw new RangeError(`the picture has ${count} tokens, and ${keep} are to stay: keep ${count} or fewer`);
}

/** Evidence that the method needs, and merging behind it. */
function kindsFor(
  method: PictureMethod,
  { merge }: VisualTokenPlan,
  { evidence }: PictureTokens,
  { modelType }: ModelDescription,
): Evidence[] {
  const missing = method.needs.find((kind) => !evidence.has(kind));
  if (missing !== undefined) {
    const wanted = missing === "classAttention" ? "a class token" : "patches that become tokens one by one";
    throw new OptionError(
      `the method ${method.name} needs ${wanted}, which the vision tower of this ${modelType} does not have: take divprune or hiprune`,
    );
  }
  return [...new Set([...method.needs, ...(merge ? (["featureProducts"] as const) : [])])];
}

/** As a matrix, `[1, kept, rows]`. */
function sharesOf({ shares }: MergedTokens, rows: number, rowOf: (place: number) => number): HostTensor {
  const data = new Float32Array(shares.length * rows);
  for (const [i, members] of shares.entries()) {
    for (const [place, share] of members) data[i * rows + rowOf(place)] = share;
  }
  return { shape: [1, shares.length, rows], data };
}
