import type { ModelDescription, ModelForward, ProcessedImage } from "@vlmopt/models";
import { type DeviceTensor, type Executor, isDeviceTensor, type PassInput } from "./executors/executor.ts";
import type { PreparedOnce } from "./prepared-once.ts";
import type { TokenReduction } from "./visual-tokens/reduce-picture.ts";

export interface ImageFeatures {
  readonly rows: number;
  /** `features` and, where there are, `deep…`: `[1, rows, hiddenSize]`. */
  readonly tensors: Readonly<Record<string, DeviceTensor>>;
  /** Where fewer tokens than the picture has go on. */
  readonly reduced?: TokenReduction;
}

/** A model's eye: from pictures to features that stand for their tokens. */
export type ImageSight = (image: ProcessedImage) => Promise<ImageFeatures>;

/**
 * Its pass is prepared when the first picture comes, so that text alone pays nothing for it.
 * @throws {TypeError} where the model sees no pictures
 */
export function imageSight(
  prepared: PreparedOnce,
  { modelType }: ModelDescription,
  { imageEncoder }: ModelForward,
): ImageSight {
  return async (image) => {
    if (imageEncoder === undefined) {
      throw new TypeError(`a ${modelType} sees no pictures: leave them out`);
    }
    const tensors = await (await prepared(imageEncoder.pass)).run(imageEncoder.inputsOf(image));
    return { rows: tensors.features?.shape[1] ?? 0, tensors };
  };
}

/** Gives the memory of pictures' features back. */
export function releaseFeatures(images: readonly { readonly features: ImageFeatures }[]): void {
  for (const { features } of images) {
    for (const tensor of Object.values(features.tensors)) tensor.release?.();
  }
}

/** Gives back what `stackedFeatures` made for the inputs of a pass. */
export function releaseStacked(
  forward: ModelForward,
  parts: readonly ImageFeatures[],
  inputs: Readonly<Record<string, PassInput>>,
): void {
  if (parts.length < 2) return;
  for (const name of featureNames(forward)) {
    const tensor = inputs[name];
    if (tensor !== undefined && isDeviceTensor(tensor)) tensor.release?.();
  }
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
