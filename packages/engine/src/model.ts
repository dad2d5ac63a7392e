import {
  ConfigError,
  type DecoderStep,
  describeModel,
  type ModelDescription,
  type ModelForward,
  modelForward,
  type ProcessedImage,
} from "@vlmopt/models";
import type { Checkpoint } from "@vlmopt/tensor-io";
import type { DeviceTensor, Executor, KvCache, PassInput, PreparedPass } from "./executors/executor.ts";
import { readJson } from "./read-json.ts";
import { modelWeights } from "./weights/model-weights.ts";

/** A model that an executor has taken in: pictures become features, tokens become logits. Knows no text and no files of pictures. */
export interface Model {
  readonly description: ModelDescription;
  readonly forward: ModelForward;
  /** Features of a picture that stand for its tokens. */
  see(image: ProcessedImage): Promise<ImageFeatures>;
  createCache(batch: number, capacity: number): KvCache;
  /**
   * Runs new tokens; the cache then holds them too.
   * @returns logits of the tokens wanted `[wanted, vocabSize]`
   */
  decode(step: ModelStep): Promise<Float32Array>;
  /** The same, the logits staying where they were computed: `[1, wanted, vocabSize]`. */
  step(step: ModelStep): Promise<DeviceTensor>;
  readonly executor: Executor;
  release(): Promise<void>;
}

export interface ImageFeatures {
  readonly rows: number;
  /** `features` and, where there are, `deep…`: `[1, rows, hiddenSize]`. */
  readonly tensors: Readonly<Record<string, DeviceTensor>>;
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

/**
 * @throws {ConfigError | ModelMismatchError} where config.json is missing, not understood, or not of these weights
 */
export async function loadModel(checkpoint: Checkpoint, executor: Executor): Promise<Model> {
  const config = await readJson(checkpoint, "config.json");
  if (config === undefined) {
    throw new ConfigError(`there is no config.json beside the weights of ${checkpoint.location}`);
  }
  const weights = await modelWeights(checkpoint);
  const description = describeModel(config, weights.specs);
  const forward = modelForward(config, description);
  const { hiddenSize } = description.languageModel;
  const decoder = await executor.prepare(forward.decoder, weights);
  let encoder: Promise<PreparedPass> | undefined;
  const names = ["features", ...Array.from({ length: forward.deep }, (_, i) => `deep${i}`)];
  const none = { shape: [1, 0, hiddenSize], data: new Float32Array(0) };
  const together = async (parts: readonly ImageFeatures[], name: string) => {
    const tensors = parts.map((part) => part.tensors[name] as DeviceTensor);
    if (tensors.length <= 1) return tensors[0] ?? none;
    return executor.stack(tensors, hiddenSize);
  };
  async function step({ cache, sequences, wanted, images, tokens }: ModelStep): Promise<DeviceTensor> {
    const inputs: Record<string, PassInput> = {
      ...forward.decoderInputs({ sequences, wanted, capacity: cache.capacity }),
    };
    if (tokens !== undefined) inputs.ids = { ...tokens, shape: [sequences.length, 1] };
    if (forward.imageEncoder !== undefined) {
      const rows = Int32Array.from(images?.rows ?? []);
      inputs.imageRows = { shape: [rows.length], data: rows };
      for (const name of names) inputs[name] = await together(images?.features ?? [], name);
    }
    const added = sequences.map(({ ids }) => ids.length);
    const { logits } = await decoder.run(inputs, { cache, added });
    return logits as DeviceTensor;
  }
  return {
    description,
    forward,
    async see(image) {
      const { imageEncoder } = forward;
      if (imageEncoder === undefined) {
        throw new TypeError(`a ${description.modelType} sees no pictures: leave them out`);
      }
      // Prepared when the first picture comes, so that text alone pays nothing for it.
      encoder ??= executor.prepare(imageEncoder.pass, weights);
      const tensors = await (await encoder).run(imageEncoder.inputsOf(image));
      return { rows: tensors.features?.shape[1] ?? 0, tensors };
    },
    createCache: (batch, capacity) => executor.createCache(forward.cache, batch, capacity),
    step,
    async decode(given) {
      const logits = await step(given);
      const read = await logits.read();
      logits.release?.();
      return read;
    },
    executor,
    async release() {
      await decoder.release();
      await (await encoder)?.release();
    },
  };
}
