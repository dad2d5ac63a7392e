import { freemem } from "node:os";
import {
  assertRelated,
  describeModel,
  type LayerLessons,
  type Lesson,
  type Parameters,
} from "@vlmopt/models";
import { checkOptions, finite, flag, func, name as nameRule, object, type Rules } from "@vlmopt/options";
import {
  type Checkpoint,
  checkpointFingerprint,
  folderSink,
  fromFloat32,
  inputPaths,
  type RewriteOptions,
  readTensor,
  replace,
  rewriteCheckpoint,
  rewriteRules,
  tensorNamed,
  toFloat32,
} from "@vlmopt/tensor-io";
import { initialLowRank, mergedLowRank } from "./low-rank.ts";
import { checkRecovery, chosenWay, type Recovery, type RecoverySizes, type RecoveryWay } from "./recovery.ts";
import { cardWithRecovery, type RecoveryRecord, recoveryRecord } from "./recovery-card.ts";
import { RecoveryError } from "./recovery-error.ts";
import { type StepReport, type Training, train } from "./train.ts";
import { openTrainingFolder, type TrainingFolder } from "./training-folder.ts";
import { trainingPlan } from "./training-settings.ts";

/** A student that is taught by a teacher with data, as @vlmopt/engine does it, or a fake of it. */
export interface Teaching {
  /** @param options `lowRank` trains matrices beside the linears in place of weights, `projector` the projector's weights */
  lesson(options: {
    readonly lowRank?: { readonly rank: number; readonly scale: number } | undefined;
    readonly projector?: boolean | undefined;
    readonly temperature?: number | undefined;
    readonly hiddenWeight?: number | undefined;
  }): Promise<Lesson>;
  layerLessons(): Promise<LayerLessons>;
  /** What the data is, for records: its source, items. */
  readonly about: Readonly<Record<string, string | number>>;
  /** Equal for equal data: an interrupted recovery goes on with no other. */
  readonly fingerprint: string;
}

export interface RecoverOptions extends RewriteOptions {
  /** Opened once the output has a place. */
  readonly teaching: () => Promise<Teaching>;
  /** Replaces an output that vlmopt wrote. */
  readonly overwrite?: boolean | undefined;
  /** Name of the dense model, for the card. */
  readonly baseModel: string;
  /** Bytes that training may take; by default what the machine has free. */
  readonly memory?: number | undefined;
  /** Milliseconds between states that are kept; five minutes by default. */
  readonly keepEvery?: number | undefined;
  /** Told before training begins. */
  readonly onWay?: ((chosen: { readonly way: RecoveryWay; readonly bytes: number }) => void) | undefined;
  /** @param layer of `layers`, which of how many is trained */
  readonly onStep?:
    | ((report: StepReport, layer: { readonly index: number; readonly of: number } | undefined) => void)
    | undefined;
}

const recoverRules: Rules<RecoverOptions> = {
  ...rewriteRules,
  teaching: func,
  overwrite: flag,
  baseModel: nameRule,
  memory: finite({ above: 0 }),
  keepEvery: finite({ from: 0 }),
  onWay: func,
  onStep: func,
  files: object,
};

/** Beside the output, what an interrupted recovery has learned so far. */
export function recoveryFolder(output: string): string {
  return `${output.replace(/[/\\]+$/, "")}.recovering`;
}

/**
 * Lets a student learn its teacher's answers, and writes it with the input's names, shapes and dtypes, `recovery.json` and a model card. What is
 * written is never worse on data held out than what came in: where nothing better was found, the weights stay. What an interrupted recovery has
 * learned lies in `recoveryFolder(output)`; the same call goes on behind it.
 * @throws {RecoveryError} where nothing fits into memory
 * @throws {ConfigError} where the two do not belong together, or the student's weights are quantized
 */
export async function recoverCheckpoint(
  student: Checkpoint,
  teacher: Checkpoint,
  output: string,
  recovery: Recovery,
  options: RecoverOptions,
): Promise<RecoveryRecord> {
  checkOptions("recoverCheckpoint", options, recoverRules, ["teaching", "baseModel"]);
  checkRecovery(recovery);
  const { teaching, overwrite = false, baseModel, memory, keepEvery, onWay, onStep, ...rewriting } = options;
  const { signal } = rewriting;
  const sink = folderSink(output, { overwrite });
  await using _claim = await sink.claim([...inputPaths(student), ...inputPaths(teacher)]);
  const { hiddenSize, sizes } = await sizesOf(student, teacher);
  const chosen = chosenWay(recovery.way, sizes, memory ?? freeMemory());
  if (!chosen.fits) {
    throw new RecoveryError(
      `training ${chosen.way === "layers" ? "layer by layer" : chosen.way} takes some ${gigabytes(chosen.bytes)}, and ${gigabytes(memory ?? freeMemory())} are free`,
      recovery.way === undefined || recovery.way === "layers"
        ? "free memory, or recover on a larger machine"
        : "leave the way out, so that one is chosen that fits",
    );
  }
  const { way } = chosen;
  const plan = trainingPlan(recovery, hiddenSize);
  onWay?.(chosen);
  const opened = await teaching();
  const folder = await openTrainingFolder(recoveryFolder(output), {
    recovery: JSON.stringify({ ...recovery, way }),
    student: await checkpointFingerprint(student, signal),
    teacher: await checkpointFingerprint(teacher, signal),
    data: opened.fingerprint,
  });
  const running = { signal, keepEvery };
  const learn = async (lesson: Lesson, name: string, layer?: { index: number; of: number }) => {
    const initial = withLowRank(await lesson.initial(), lesson, plan.seed);
    return train(lesson, initial, plan, {
      ...running,
      store: folder.store(name),
      onStep: (report) => onStep?.(report, layer),
    });
  };
  const rounded = (found: Parameters) =>
    new Map([...found].map(([name, numbers]) => [name, asStored(student, name, numbers)]));
  const made =
    way === "layers"
      ? await recoverLayers(opened, folder, learn, rounded)
      : await recoverWhole(student, opened, recovery, way, learn, rounded);
  const record = recoveryRecord({ recovery: { ...recovery, way }, plan, data: opened.about, ...made });
  const better = record.loss.after < record.loss.before;
  await rewriteCheckpoint(
    student,
    (tensor) => {
      const numbers = better ? made.weights.get(tensor.name) : undefined;
      return numbers && replace(tensor, fromFloat32(numbers, tensor.dtype));
    },
    sink,
    {
      ...rewriting,
      files: {
        "recovery.json": `${JSON.stringify(record, null, 2)}\n`,
        "README.md": cardWithRecovery(await cardOf(student), record, baseModel),
        ...rewriting.files,
      },
    },
  );
  await folder.remove();
  return record;
}

interface Recovered {
  /** New numbers of stored weights, as their dtypes hold them. */
  readonly weights: Parameters;
  /** Mean divergence of a token that is held out, of what came in and of what is written. */
  readonly loss: { readonly before: number; readonly after: number };
  readonly trainings: readonly Training[];
}

type Learn = (lesson: Lesson, name: string, layer?: { index: number; of: number }) => Promise<Training>;

async function recoverWhole(
  student: Checkpoint,
  teaching: Teaching,
  { rank = 16, alpha = 32, temperature, hiddenWeight }: Recovery,
  way: Exclude<RecoveryWay, "layers">,
  learn: Learn,
  rounded: (found: Parameters) => Map<string, Float32Array>,
): Promise<Recovered> {
  const asked = { temperature, hiddenWeight, ...(way === "projector" ? { projector: true } : {}) };
  const isLowRank = way === "lora";
  const scale = alpha / rank;
  const lesson = await teaching.lesson({ ...asked, ...(isLowRank ? { lowRank: { rank, scale } } : {}) });
  try {
    const training = await learn(lesson, way);
    const before = training.initialLoss;
    if (!isLowRank) {
      const weights = rounded(training.parameters);
      return { weights, loss: { before, after: await lesson.heldOutLoss(weights) }, trainings: [training] };
    }
    const merged = await mergedLowRank(training.parameters, rank, scale, async (name) => {
      const { dtype } = tensorNamed(student, name);
      return toFloat32(await readTensor(student, name), dtype);
    });
    // Rounding what is merged costs as much as rounding whole weights, which the factors alone do not show.
    return {
      weights: rounded(merged),
      loss: { before, after: training.bestLoss },
      trainings: [training],
    };
  } finally {
    await lesson.release();
  }
}

async function recoverLayers(
  teaching: Teaching,
  folder: TrainingFolder,
  learn: Learn,
  rounded: (found: Parameters) => Map<string, Float32Array>,
): Promise<Recovered> {
  const lessons = await teaching.layerLessons();
  const weights = new Map<string, Float32Array>();
  const trainings: Training[] = [];
  try {
    for (let index = 0; index < lessons.layers; index++) {
      const name = `layer-${index}`;
      let found = await folder.readDone(name);
      if (found === undefined) {
        const lesson = await lessons.next();
        try {
          const training = await learn(lesson, name, { index, of: lessons.layers });
          trainings.push(training);
          found = rounded(training.parameters);
        } finally {
          await lesson.release();
        }
        await folder.writeDone(name, found);
      }
      for (const [weight, numbers] of found) weights.set(weight, numbers);
      await lessons.advance(found);
    }
    return { weights, loss: await lessons.divergence(), trainings };
  } finally {
    await lessons.release();
  }
}

/** What is stored, and what low rank begins with. */
function withLowRank(initial: Parameters, { trained }: Lesson, seed: number): Parameters {
  const missing = new Map([...trained].filter(([name]) => !initial.has(name)));
  return new Map([...initial, ...initialLowRank(missing, seed)]);
}

/** Numbers as the weight's dtype holds them. */
function asStored(student: Checkpoint, name: string, numbers: Float32Array): Float32Array {
  const { dtype } = tensorNamed(student, name);
  return Float32Array.from(toFloat32(fromFloat32(numbers, dtype), dtype));
}

async function sizesOf(student: Checkpoint, teacher: Checkpoint) {
  const [own, master] = [await describedModel(student), await describedModel(teacher)];
  assertRelated(own, master);
  const count = ({ tensors }: Checkpoint, part = "") =>
    [...tensors.values()].reduce(
      (sum, { name, shape }) => sum + (name.includes(part) ? shape.reduce((a, b) => a * b, 1) : 0),
      0,
    );
  const { hiddenSize, layers } = own.description.languageModel;
  const sizes: RecoverySizes = {
    student: count(student),
    teacher: count(teacher),
    layers: count(student, "layers."),
    layerCount: layers.length,
  };
  return { hiddenSize, sizes };
}

async function describedModel(checkpoint: Checkpoint) {
  const { location, tensors } = checkpoint;
  const bytes = await checkpoint.readSibling("config.json");
  if (bytes === undefined) {
    throw new RecoveryError(`there is no config.json in ${location}`, "name the folder of a whole model");
  }
  const config = parsedConfig(new TextDecoder().decode(bytes), location);
  const quantized = config.quantization_config?.quant_method;
  if (quantized !== undefined) {
    throw new RecoveryError(
      `${location} is quantized (${String(quantized)}), and rounded weights cannot learn`,
      "recover the pruned model and quantize what comes out; vlmopt dequantize gives weights back",
    );
  }
  return { location, description: describeModel(config, tensors) };
}

function parsedConfig(text: string, location: string) {
  try {
    return JSON.parse(text) as { quantization_config?: { quant_method?: unknown } | null };
  } catch (error) {
    throw new RecoveryError(
      `config.json in ${location} is not valid JSON: ${(error as Error).message}`,
      "name the folder of a whole model",
    );
  }
}

function freeMemory(): number {
  return process.availableMemory?.() ?? freemem();
}

function gigabytes(bytes: number): string {
  return `${(bytes / 1e9).toFixed(1)} GB`;
}

async function cardOf(student: Checkpoint): Promise<string | undefined> {
  const bytes = await student.readSibling("README.md");
  return bytes && new TextDecoder().decode(bytes);
}
