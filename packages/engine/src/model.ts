import {
  type DecoderStep,
  describeModel,
  type ModelDescription,
  type ModelForward,
  modelForward,
  type ProcessedImage,
} from "@vlmopt/models";
import type { Checkpoint } from "@vlmopt/tensor-io";
import type { DeviceTensor, Executor, KvCache, PassInput } from "./executors/executor.ts";
import {
  featureNames,
  type ImageFeatures,
  imageSight,
  releaseStacked,
  stackedFeatures,
} from "./image-features.ts";
import { preparedOnce } from "./prepared-once.ts";
import { readConfig } from "./read-json.ts";
import { droppingDecoder, segmentsFor } from "./visual-tokens/dropping-model.ts";
import type { DecoderMethod } from "./visual-tokens/method.ts";
import { type RelevanceOf, reducedSight } from "./visual-tokens/reduce-picture.ts";
import { savedVisualTokens } from "./visual-tokens/saved-visual-tokens.ts";
import { type VisualTokenPlan, type VisualTokens, visualTokenPlan } from "./visual-tokens/visual-tokens.ts";
import { modelWeights } from "./weights/model-weights.ts";

/** A model that an executor has taken in: pictures become features, tokens become logits. Knows no text and no files of pictures. */
export interface Model {
  readonly description: ModelDescription;
  readonly forward: ModelForward;
  /**
   * Features of a picture that stand for its tokens.
   * @param fewer where fewer of them go on, which and how many
   */
  see(image: ProcessedImage, fewer?: VisualTokenPlan, relevanceOf?: RelevanceOf): Promise<ImageFeatures>;
  /** Whether fewer go on unless a request tells otherwise. */
  readonly visualTokens: VisualTokenPlan | undefined;
  createCache(batch: number, capacity: number): KvCache;
  /**
   * Runs new tokens; the cache then holds them too.
   * @returns logits of the tokens wanted `[wanted, vocabSize]`
   */
  decode(step: ModelStep): Promise<Float32Array>;
  /** The same, the logits staying where they were computed: `[1, wanted, vocabSize]`. */
  step(step: ModelStep): Promise<DeviceTensor>;
  /** The same model, which drops picture tokens inside of its decoder as a plan says: of one sequence at a time. */
  dropping(plan: VisualTokenPlan): Model;
  readonly executor: Executor;
  readonly checkpoint: Checkpoint;
  release(): Promise<void>;
}

export interface ModelStep {
  readonly cache: KvCache;
  readonly sequences: DecoderStep["sequences"];
  /** See `DecoderStep`. */
  readonly wanted: readonly number[];
  /** One token of each sequence, which nobody has read yet, in the place of `ids`. */
  readonly tokens?: DeviceTensor<Int32Array>;
  /** Pictures of all sequences, in order, and the places of their tokens, counted through with padding. */
  readonly images?: { readonly features: readonly ImageFeatures[]; readonly rows: readonly number[] };
}

export interface ModelOptions {
  /** That fewer of each picture's tokens go on; unless told, as vlmopt.json beside the weights says. False: all of them. */
  readonly visualTokens?: VisualTokens | false;
}

/**
 * @throws {ConfigError | ModelMismatchError} where config.json is missing, not understood, or not of these weights
 * @throws {OptionError} where visual tokens are asked for in a way that is not known
 */
export async function loadModel(
  checkpoint: Checkpoint,
  executor: Executor,
  options: ModelOptions = {},
): Promise<Model> {
  const config = await readConfig(checkpoint);
  const weights = await modelWeights(checkpoint);
  const description = describeModel(config, weights.specs);
  const forward = modelForward(config, description);
  const { hiddenSize } = description.languageModel;
  const asked = options.visualTokens ?? (await savedVisualTokens(checkpoint)) ?? false;
  const visualTokens = asked === false ? undefined : visualTokenPlan("loadModel: visualTokens", asked);
  const prepared = preparedOnce(executor, weights);
  // The decoder that will be asked is there once the model is; another one waits until it is.
  const segmentsOf = new Map<DecoderMethod, ReturnType<typeof segmentsFor>>();
  const segments = (method: DecoderMethod) => {
    const found = segmentsOf.get(method) ?? segmentsFor({ forward }, method);
    segmentsOf.set(method, found);
    return found;
  };
  const passes =
    visualTokens?.method.place === "decoder"
      ? segments(visualTokens.method).map(({ pass }) => pass)
      : [visualTokens?.merge === true ? forward.weightedDecoder : forward.decoder];
  for (const pass of passes) await prepared(pass);
  const [sight, reduced] = [
    imageSight(prepared, description, forward),
    reducedSight(prepared, description, forward),
  ];
  async function imageInputs(images: ModelStep["images"]): Promise<Record<string, PassInput>> {
    if (forward.imageEncoder === undefined) return {};
    const rows = Int32Array.from(images?.rows ?? []);
    const inputs: Record<string, PassInput> = { imageRows: { shape: [rows.length], data: rows } };
    for (const name of featureNames(forward)) {
      inputs[name] = await stackedFeatures(executor, hiddenSize, images?.features ?? [], name);
    }
    return inputs;
  }
  async function step({ cache, sequences, wanted, images, tokens }: ModelStep): Promise<DeviceTensor> {
    const inputs: Record<string, PassInput> = {
      ...forward.decoderInputs({ sequences, wanted, capacity: cache.capacity }),
    };
    if (tokens !== undefined) inputs.ids = { ...tokens, shape: [sequences.length, 1] };
    Object.assign(inputs, await imageInputs(images));
    const added = sequences.map(({ ids }) => ids.length);
    const isWeighted = sequences.some(({ sizes }) => sizes !== undefined);
    const decoder = await prepared(isWeighted ? forward.weightedDecoder : forward.decoder);
    const { logits } = await decoder.run(inputs, { cache, added });
    releaseStacked(forward, images?.features ?? [], inputs);
    return logits as DeviceTensor;
  }
  const model: Model = {
    description,
    forward,
    visualTokens,
    see: (image, fewer, relevanceOf) =>
      fewer?.method.place === "picture" ? reduced(image, fewer, relevanceOf) : sight(image),
    createCache: (batch, capacity) => executor.createCache(forward.cache, batch, capacity),
    step,
    async decode(given) {
      const logits = await step(given);
      const read = await logits.read();
      logits.release?.();
      return read;
    },
    dropping({ method, keep }) {
      const dropper = method as DecoderMethod;
      const parts = { forward, executor, prepared, imageInputs };
      return { ...model, ...droppingDecoder(parts, segments(dropper), dropper, keep) };
    },
    executor,
    checkpoint,
    release: prepared.release,
  };
  return model;
}
