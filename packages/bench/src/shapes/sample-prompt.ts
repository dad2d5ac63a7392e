import type { ModelForward, ProcessedImage } from "@vlmopt/models";
import { gaussianNumbers } from "./endless-bytes.ts";

/** Patches along each side of a picture, where a model takes pictures of any size: 448 pixels at 14 a patch. */
const PATCHES = 32;
/** Tokens of text before the picture, and at least behind it. */
const TEXT_BEFORE = 4;
const LEAST_TEXT_BEHIND = 4;

/**
 * A picture as the model's image processor would leave it: one square tile of the size that the model takes, or 32 × 32 patches where it
 * takes any size. Undefined of models that see nothing.
 */
export function samplePicture({
  imageEncoder,
}: Pick<ModelForward, "imageEncoder">): ProcessedImage | undefined {
  const sizes = imageEncoder?.pass.inputs.pixels?.shape;
  if (sizes === undefined) return undefined;
  const [, channels = 3, height = 1, width = 1] = sizes;
  if (sizes.length === 4) {
    const shape = [1, channels, height, width];
    return { pixels: noise(shape), originalSize: [height, width] };
  }
  const features = sizes.at(-1) ?? 1;
  return { pixels: noise([PATCHES * PATCHES, features]), grid: [1, PATCHES, PATCHES] };
}

/**
 * A prompt of so many tokens, the picture's included; of more, where the picture's leave no room for text.
 * @param imageTokens rows of the picture's features
 */
export function sampleTokens(
  { vocabSize, imageToken }: { readonly vocabSize: number; readonly imageToken: number | undefined },
  imageTokens: number,
  promptTokens: number,
): number[] {
  const behind = Math.max(promptTokens - imageTokens - TEXT_BEFORE, LEAST_TEXT_BEHIND);
  const text = Array.from({ length: imageTokens === 0 ? promptTokens : TEXT_BEFORE + behind }, (_, i) => {
    const token = (7919 * (i + 1)) % vocabSize;
    return token === imageToken ? (token + 1) % vocabSize : token;
  });
  if (imageTokens === 0 || imageToken === undefined) return text;
  const picture = Array.from({ length: imageTokens }, () => imageToken);
  return [...text.slice(0, TEXT_BEFORE), ...picture, ...text.slice(TEXT_BEFORE)];
}

/** As far from 0 as pixels are once they have been normed. */
function noise(shape: readonly number[]): ProcessedImage["pixels"] {
  const count = shape.reduce((product, size) => product * size, 1);
  return { shape, data: gaussianNumbers(count, 1) };
}
