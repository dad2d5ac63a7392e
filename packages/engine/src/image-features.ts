import type { ModelDescription, ModelForward, ProcessedImage } from "@vlmopt/models";
import type { DeviceTensor, Executor, PassInput, PreparedPass } from "./executors/executor.ts";
import type { ModelWeights } from "./weights/model-weights.ts";

export interface ImageFeatures {
  readonly rows: number;
  /** `features` and, where there are, `deep…`: `[1, rows, hiddenSize]`. */
  readonly tensors: Readonly<Record<string, DeviceTensor>>;
}

/** A model's eye: from pictures to features that stand for their tokens. */
export interface ImageSight {
  /** @throws {TypeError} where the model sees no pictures */
  see(image: ProcessedImage): Promise<ImageFeatures>;
  release(): Promise<void>;
}

/** Prepared when the first picture comes, so that text alone pays nothing for it. */
export function imageSight(
  executor: Executor,
  weights: ModelWeights,
  { modelType }: ModelDescription,
  { imageEncoder }: ModelForward,
): ImageSight {
  let encoder: Promise<PreparedPass> | undefined;
  return {
    async see(image) {
      if (imageEncoder === undefined) {
        throw new TypeError(`a ${modelType} sees no pictures: leave them out`);
      }
      encoder ??= executor.prepare(imageEncoder.pass, weights);
      const tensors = await (await encoder).run(imageEncoder.inputsOf(image));
      return { rows: tensors.features?.shape[1] ?? 0, tensors };
    },
    async release() {
      await (await encoder)?.release();
    },
  };
}

/** Names of the tensors that come with a picture. */
export function featureNames({ deep }: ModelForward): readonly string[] {
  return ["features", ...Array.from({ length: deep }, (_, i) => `deep${i}`)];
}

/** What several pictures have of one name, one after the other. */
export async function stackedFeatures(
  executor: Executor,
  hiddenSize: number,
  parts: readonly ImageFeatures[],
  name: string,
): Promise<PassInput> {
  const tensors = parts.map((part) => part.tensors[name] as DeviceTensor);
  if (tensors.length > 1) return executor.stack(tensors, hiddenSize);
  return tensors[0] ?? { shape: [1, 0, hiddenSize], data: new Float32Array(0) };
}
