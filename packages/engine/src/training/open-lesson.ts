import { assertRelated, ConfigError, type LayerLessons, type Lesson } from "@vlmopt/models";
import { checkOptions } from "@vlmopt/options";
import type { Checkpoint } from "@vlmopt/tensor-io/browser";
import { type CalibrationData, readCalibrationData } from "../calibration/calibration-data.ts";
import type { Executor, LossTerm } from "../executors/executor.ts";
import type { DecodeImage } from "../images/image-input.ts";
import { lessonRules } from "../option-rules.ts";
import type { Platform } from "../platform.ts";
import { bothSights } from "./both-sights.ts";
import { layerLessons } from "./layer-lessons.ts";
import { longestRow, packRows } from "./packed-rows.ts";
import { splitAtProjector } from "./projector-pass.ts";
import {
  activationBytes,
  layersOf,
  linearsOf,
  lowRankShapes,
  ownShapes,
  type Pupil,
  pupilOf,
  shapesOf,
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
  /** Trains the projector alone, which brings what the picture's encoder sees to the language model. */
  readonly projector?: boolean | undefined;
  /** Of the distributions that are compared; 1 by default. */
  readonly temperature?: number | undefined;
  /** Weight of the states behind the last layer beside the answers' distribution; 0 by default. */
  readonly hiddenWeight?: number | undefined;
  /** Most tokens of a row; 512 by default, or those of the longest question with its answer. */
  readonly rowTokens?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

export type LayerLessonOptions = Omit<
  LessonOptions,
  "lowRank" | "projector" | "temperature" | "hiddenWeight"
>;

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
  const { pupil, master, executor, rows, split, featuresOf } = await opened(
    platform,
    student,
    teacher,
    data,
    options,
  );
  const { temperature, hiddenWeight = 0, lowRank } = options;
  const linears = new Set(lowRank && linearsOf(pupil));
  const trained = split
    ? shapesOf(pupil, split.trained)
    : lowRank
      ? lowRankShapes(pupil, linears, lowRank.rank)
      : ownShapes(pupil, layersOf(pupil));
  const passOf = ({ forward, weights, description }: Pupil, isStudent: boolean) =>
    wholePass(forward, description.languageModel.layers.length, {
      specs: weights.specs,
      lowRank: isStudent && lowRank ? { linears, scale: lowRank.scale } : undefined,
      projector: isStudent ? split?.projector : undefined,
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
  const split = options.projector === true ? projectorOf(pupil) : undefined;
  const sight = await bothSights(executor, pupil, master, split?.before);
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
  return { pupil, master, executor, rows, split, featuresOf: sight.featuresOf };
}

function projectorOf({ forward, description }: Pupil) {
  if (forward.imageEncoder === undefined)
    throw new ConfigError(`a ${description.modelType} has no projector: train its layers`);
  return splitAtProjector(forward.imageEncoder.pass, description);
}

/** Questions about one picture follow each other: it is decoded once for them. */
function decodedOnce(decodeImage: DecodeImage): DecodeImage {
  let last: { readonly source: unknown; readonly image: ReturnType<DecodeImage> } | undefined;
  return (source) => {
    if (last?.source !== source) last = { source, image: decodeImage(source) };
    return last.image;
  };
}
