import {
  assertRelated,
  ConfigError,
  type LayerLessons,
  type Lesson,
  type ProcessedImage,
} from "@vlmopt/models";
import { checkOptions } from "@vlmopt/options";
import { type Checkpoint, readTensor } from "@vlmopt/tensor-io/browser";
import { type CalibrationData, readCalibrationData } from "../calibration/calibration-data.ts";
import type { Executor, LossTerm } from "../executors/executor.ts";
import { recordPass, weightsOf } from "../executors/recorded-pass.ts";
import { featureNames, type ImageFeatures, type ImageSight, imageSight } from "../image-features.ts";
import type { DecodeImage } from "../images/image-input.ts";
import { lessonRules } from "../option-rules.ts";
import type { Platform } from "../platform.ts";
import { preparedOnce } from "../prepared-once.ts";
import { layerLessons } from "./layer-lessons.ts";
import { longestRow, packRows } from "./packed-rows.ts";
import {
  activationBytes,
  layersOf,
  linearsOf,
  lowRankShapes,
  ownShapes,
  type Pupil,
  pupilOf,
  storedNumbers,
} from "./pupil.ts";
import { rowInputs } from "./row-inputs.ts";
import { rowLesson } from "./row-lesson.ts";
import { wholePass } from "./training-pass.ts";

export interface LessonOptions {
  /** ONNX Runtime by default. */
  readonly executor?: Executor | undefined;
  /** Trains A and B of this rank beside each linear of the layers in place of the weights themselves (arXiv:2106.09685). */
  readonly lowRank?: { readonly rank: number; readonly scale: number } | undefined;
  /** Of the distributions that are compared; 1 by default. */
  readonly temperature?: number | undefined;
  /** Weight of the states behind the last layer beside the answers' distribution; 0 by default. */
  readonly hiddenWeight?: number | undefined;
  /** Most tokens of a row; 512 by default, or those of the longest question with its answer. */
  readonly rowTokens?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type LayerLessonOptions = Omit<LessonOptions, "lowRank" | "temperature" | "hiddenWeight">;

/**
 * Opens a student that learns the teacher's answers to data.
 * @throws {ConfigError} where the two do not belong together, or the student's weights are quantized
 * @throws {RangeError} where data has nothing to learn
 */
export async function lessonFrom(
  platform: Platform,
  student: Checkpoint,
  teacher: Checkpoint,
  data: CalibrationData,
  options: LessonOptions = {},
): Promise<Lesson> {
  const { pupil, master, executor, rows, featuresOf } = await opened(
    platform,
    student,
    teacher,
    data,
    options,
  );
  const { temperature, hiddenWeight = 0, lowRank } = options;
  const linears = new Set(lowRank && linearsOf(pupil));
  const trained = lowRank ? lowRankShapes(pupil, linears, lowRank.rank) : ownShapes(pupil, layersOf(pupil));
  const passOf = ({ forward, weights, description }: Pupil, isStudent: boolean) =>
    wholePass(forward, description.languageModel.layers.length, {
      specs: weights.specs,
      lowRank: isStudent && lowRank ? { linears, scale: lowRank.scale } : undefined,
    });
  const states: LossTerm[] =
    hiddenWeight > 0 ? [{ output: "states", aim: "aim.states", kind: "squares", weight: hiddenWeight }] : [];
  return rowLesson({
    executor,
    student: { pass: passOf(pupil, true), weights: pupil.weights },
    teacher: { pass: passOf(master, false), weights: master.weights, cache: master.forward.cache },
    trained,
    initial: () => storedNumbers(pupil.weights, trained),
    loss: [{ output: "logits", aim: "aim.logits", kind: "divergence", temperature }, ...states],
    tokenBytes: activationBytes(pupil, layersOf(pupil), longestRow(rows)),
    outputSize: pupil.description.languageModel.vocabSize,
    rows,
    wantedOf: (row) => row.wanted,
    inputsOf: (some, whose) => {
      const { forward } = whose === "teacher" ? master : pupil;
      return rowInputs(forward, some, (row) => row.wanted, featuresOf(whose));
    },
    signal: options.signal,
  });
}

/**
 * Opens a student whose layers learn what the teacher's give for the same input, one layer after the other.
 * @throws {ConfigError} where the two do not belong together, or do not have the same layers
 */
export async function layerLessonsFrom(
  platform: Platform,
  student: Checkpoint,
  teacher: Checkpoint,
  data: CalibrationData,
  options: LayerLessonOptions = {},
): Promise<LayerLessons> {
  const { pupil, master, executor, rows, featuresOf } = await opened(
    platform,
    student,
    teacher,
    data,
    options,
  );
  const [own, others] = [layersOf(pupil).length, layersOf(master).length];
  if (own !== others) {
    throw new ConfigError(
      `the student has ${own} layers and its teacher ${others}, so that none of them has a model: train the whole model, or LoRA`,
    );
  }
  return layerLessons({
    executor,
    pupil,
    master,
    rows,
    features: featuresOf("student"),
    shapesOf: (layer) => ownShapes(pupil, [layer]),
    signal: options.signal,
  });
}

async function opened(
  platform: Platform,
  student: Checkpoint,
  teacher: Checkpoint,
  data: CalibrationData,
  options: LessonOptions,
) {
  checkOptions("openLesson", options, lessonRules);
  const executor = options.executor ?? (await platform.executor());
  if (executor.derive === undefined) {
    throw new TypeError(`the ${executor.name} executor derives no gradients: train with ort or tfjs`);
  }
  const [pupil, master] = [await pupilOf(student), await pupilOf(teacher)];
  assertRelated({ ...pupil, location: student.location }, { ...master, location: teacher.location });
  const sight = await bothSights(executor, pupil, master);
  const sequences = await readCalibrationData(
    student,
    pupil,
    sight.see,
    decodedOnce(platform.decodeImage),
    data,
    options.signal === undefined ? {} : { signal: options.signal },
  ).finally(sight.release);
  const longest = Math.max(...sequences.map(({ ids }) => ids.length));
  const seesPromptWhole = "visible" in pupil.forward.decoder.inputs;
  const rows = packRows(sequences, Math.max(options.rowTokens ?? 512, longest), seesPromptWhole);
  if (rows.learned.length === 0) {
    throw new RangeError(
      "the data has no answers to learn: give questions with answers, or texts of two tokens at least",
    );
  }
  return { pupil, master, executor, rows, featuresOf: sight.featuresOf };
}

/** What both models see. A picture that many questions ask about is seen once; towers of equal weights see for each other. */
async function bothSights(executor: Executor, pupil: Pupil, master: Pupil) {
  const prepared = [preparedOnce(executor, pupil.weights), preparedOnce(executor, master.weights)] as const;
  const sights = {
    student: imageSight(prepared[0], pupil.description, pupil.forward),
    teacher: (await haveEqualTowers(pupil, master))
      ? undefined
      : imageSight(prepared[1], master.description, master.forward),
  };
  const names = featureNames(pupil.forward);
  const kept = new Map<ImageFeatures, Record<"student" | "teacher", Record<string, Float32Array>>>();
  const seen = new Map<string, ImageFeatures>();
  const onHost = async ({ tensors }: ImageFeatures) => {
    const found: Record<string, Float32Array> = {};
    for (const name of names) {
      const tensor = tensors[name];
      if (tensor === undefined) continue;
      found[name] = Float32Array.from(await tensor.read());
      tensor.release?.();
    }
    return found;
  };
  const see: ImageSight = async (image) => {
    const key = pictureKey(image);
    const earlier = seen.get(key);
    if (earlier !== undefined) return earlier;
    const features = await sights.student(image);
    const student = await onHost(features);
    const teacher = sights.teacher ? await onHost(await sights.teacher(image)) : student;
    const hostFeatures = { rows: features.rows, tensors: {} };
    kept.set(hostFeatures, { student, teacher });
    seen.set(key, hostFeatures);
    return hostFeatures;
  };
  return {
    see,
    featuresOf: (whose: "student" | "teacher") => (image: ImageFeatures) => kept.get(image)?.[whose] ?? {},
    async release() {
      for (const each of prepared) await each.release();
    },
  };
}

/** Questions about one picture follow each other: it is decoded once for them. */
function decodedOnce(decodeImage: DecodeImage): DecodeImage {
  let last: { readonly source: unknown; readonly image: ReturnType<DecodeImage> } | undefined;
  return (source) => {
    if (last?.source !== source) last = { source, image: decodeImage(source) };
    return last.image;
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
