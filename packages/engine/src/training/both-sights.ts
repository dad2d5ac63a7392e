import type { ForwardPass, ProcessedImage } from "@vlmopt/models";
import { readTensor } from "@vlmopt/tensor-io/browser";
import type { Executor } from "../executors/executor.ts";
import { recordPass, weightsOf } from "../executors/recorded-pass.ts";
import { featureNames, type ImageFeatures, type ImageSight, imageSight } from "../image-features.ts";
import { preparedOnce } from "../prepared-once.ts";
import type { Pupil } from "./pupil.ts";
import type { FeaturesOf } from "./row-inputs.ts";

type OnHost = ReturnType<FeaturesOf>;

/**
 * What both models see, on the host. A picture that many questions ask about is seen once; towers of equal weights see for each other.
 * @param before gives what the student's projector takes in the place of features, where that learns
 */
export async function bothSights(
  executor: Executor,
  pupil: Pupil,
  master: Pupil,
  before: ForwardPass | undefined,
) {
  const prepared = [preparedOnce(executor, pupil.weights), preparedOnce(executor, master.weights)] as const;
  const student = imageSight(prepared[0], pupil.description, pupil.forward);
  const teacher = (await haveEqualTowers(pupil, master))
    ? undefined
    : imageSight(prepared[1], master.description, master.forward);
  const names = featureNames(pupil.forward);
  const kept = new Map<ImageFeatures, Readonly<Record<"student" | "teacher", OnHost>>>();
  const seen = new Map<string, ImageFeatures>();
  const onHost = async ({ tensors }: Pick<ImageFeatures, "tensors">, wanted: readonly string[]) => {
    const found: Record<string, OnHost[string]> = {};
    for (const name of wanted) {
      const tensor = tensors[name];
      if (tensor === undefined) continue;
      found[name] = { data: Float32Array.from(await tensor.read()), size: tensor.shape.at(-1) ?? 1 };
      tensor.release?.();
    }
    return found;
  };
  const rowsSeen = async (image: ProcessedImage) => {
    if (before === undefined) return undefined;
    const inputs = pupil.forward.imageEncoder?.inputsOf(image) ?? {};
    return onHost({ tensors: await (await prepared[0](before)).run(inputs) }, ["seen"]);
  };
  const see: ImageSight = async (image) => {
    const key = pictureKey(image);
    const earlier = seen.get(key);
    if (earlier !== undefined) return earlier;
    const features = await student(image);
    const own = await onHost(features, names);
    const result = { rows: features.rows, tensors: {} };
    kept.set(result, {
      student: (await rowsSeen(image)) ?? own,
      teacher: teacher ? await onHost(await teacher(image), names) : own,
    });
    seen.set(key, result);
    return result;
  };
  return {
    see,
    featuresOf:
      (whose: "student" | "teacher"): FeaturesOf =>
      (image) =>
        kept.get(image)?.[whose] ?? {},
    async release() {
      for (const each of prepared) await each.release();
    },
  };
}

/** Equal for equal pictures, and practically for no others: two FNV-1a hashes of 32 bits over the bits of all pixels. */
function pictureKey({ pixels, grid, originalSize }: ProcessedImage): string {
  const words = new Uint32Array(pixels.data.buffer, pixels.data.byteOffset, pixels.data.length);
  let [a, b] = [0x811c9dc5, 0x01000193];
  for (const word of words) {
    a = Math.imul(a ^ word, 0x01000193);
    b = Math.imul(b ^ (word >>> 7) ^ (word << 3), 0x5bd1e995);
  }
  return [a, b, pixels.shape, grid, originalSize].join(" ");
}

async function haveEqualTowers(pupil: Pupil, master: Pupil): Promise<boolean> {
  const { imageEncoder } = pupil.forward;
  if (imageEncoder === undefined) return true;
  for (const name of weightsOf(recordPass(imageEncoder.pass))) {
    const [own, other] = [pupil, master].map(({ weights }) => weights.find(name));
    if (own?.tensor.dtype !== other?.tensor.dtype || own?.quantized || other?.quantized) return false;
    const [a, b] = [await readTensor(pupil.checkpoint, name), await readTensor(master.checkpoint, name)];
    if (a.length !== b.length || a.some((byte, i) => byte !== b[i])) return false;
  }
  return true;
}
