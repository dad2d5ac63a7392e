// The process that runs a model of random weights for `measureShapes`.
import { generateTokens, keptPrompt, loadModelWith, type Model, type VisualTokenPlan } from "@vlmopt/engine";
import { type ProcessedImage, parameterCounts } from "@vlmopt/models";
import { BenchError } from "../bench-error.ts";
import { answerParent, peakResident } from "../targets/answer-parent.ts";
import { bytesPerToken } from "./bytes-per-token.ts";
import { randomCheckpoint } from "./random-checkpoint.ts";
import { samplePicture, sampleTokens } from "./sample-prompt.ts";
import type { FromShape, LoadedShape, ShapeAnswer, ShapeJob, ToShape } from "./shape-protocol.ts";

interface Shape {
  readonly model: Model;
  readonly picture: ProcessedImage | undefined;
  readonly ids: readonly number[];
  readonly newTokens: number;
  /** Tokens of the picture, before some of them go. */
  readonly fewer: VisualTokenPlan | undefined;
}

let shape: Shape | undefined;

answerParent(handle);

async function handle(message: ToShape): Promise<FromShape> {
  if (message.kind === "load") return { kind: "loaded", ...(await load(message.job)) };
  if (shape === undefined) throw new Error("no model has been loaded");
  if (message.kind === "ask") return { kind: "answered", ...(await answer(shape)) };
  const executor = shape.model.executor.peakBytes?.() ?? null;
  return { kind: "memory", process: peakResident(), executor };
}

async function load({
  config,
  scheme,
  engine,
  promptTokens,
  newTokens,
  visualTokens,
}: ShapeJob): Promise<LoadedShape> {
  const started = performance.now();
  const checkpoint = randomCheckpoint(config, scheme);
  const { executor, threads } = engine;
  const model = await loadModelWith(checkpoint, {
    executor,
    ...(threads === undefined ? {} : { threads }),
    ...(visualTokens === undefined ? {} : { visualTokens }),
  });
  const { description, forward, visualTokens: fewer } = model;
  const picture = samplePicture(forward);
  // The first picture prepares the image encoder, and tells how many tokens it takes.
  const imageTokens = picture === undefined ? 0 : (await see(model, picture, fewer)).of;
  const milliseconds = performance.now() - started;
  const { vocabSize } = description.languageModel;
  const ids = sampleTokens({ vocabSize, imageToken: forward.imageToken }, imageTokens, promptTokens);
  assertPositions(model, ids.length, newTokens);
  shape = { model, picture, ids, newTokens, fewer };
  const counts = Object.values(parameterCounts(description));
  const tensors = [...checkpoint.tensors.values()];
  return {
    milliseconds,
    executor: model.executor.name,
    parameters: counts.reduce((sum, count) => sum + count, 0),
    bytes: tensors.reduce((sum, { byteLength }) => sum + byteLength, 0),
    bytesPerToken: await bytesPerToken(checkpoint, description),
    promptTokens: ids.length,
    imageTokens,
    ...(fewer === undefined || imageTokens === 0 ? {} : { visualTokens: fewer.keep }),
  };
}

async function answer({ model, picture, ids, newTokens, fewer }: Shape): Promise<ShapeAnswer> {
  const vision = picture === undefined ? null : (await see(model, picture, fewer)).milliseconds;
  const begun = performance.now();
  const features = picture === undefined ? undefined : await model.see(picture, fewer);
  const grid = picture?.grid === undefined ? {} : { grid: picture.grid };
  const images = features === undefined ? [] : [{ features, ...grid }];
  let ttft = 0;
  const prompt = keptPrompt(model.forward, { ids, images });
  const answering = fewer?.method.place === "decoder" ? model.dropping(fewer) : model;
  const { answers } = await generateTokens(answering, [prompt], {
    maxNewTokens: newTokens,
    minNewTokens: newTokens,
    endTokens: [],
    signal: undefined,
    onToken() {
      ttft ||= performance.now() - begun;
      return false;
    },
  });
  const latency = performance.now() - begun;
  for (const tensor of Object.values(features?.tensors ?? {})) tensor.release?.();
  const { tokens = [], cacheBytes = 0 } = answers[0] ?? {};
  return { vision, ttft, latency, cacheBytes, tokens };
}

/** A picture's features, waited for: a graphics card is still at work when `see` returns. */
async function see(
  model: Model,
  picture: ProcessedImage,
  fewer: VisualTokenPlan | undefined,
): Promise<{ of: number; milliseconds: number }> {
  const started = performance.now();
  const { rows, tensors, reduced } = await model.see(picture, fewer);
  for (const tensor of Object.values(tensors)) await tensor.read();
  const milliseconds = performance.now() - started;
  for (const tensor of Object.values(tensors)) tensor.release?.();
  return { of: reduced?.of ?? rows, milliseconds };
}

/** Tables of positions end; OPT's begins with two rows for padding. */
function assertPositions({ description }: Model, promptTokens: number, newTokens: number): void {
  const table = description.weights.find(
    ({ role, component }) => role === "positionEmbedding" && component === "languageModel",
  );
  const positions = (table?.shape[0] ?? Number.POSITIVE_INFINITY) - 2;
  if (promptTokens + newTokens <= positions) return;
  throw new BenchError(
    `${promptTokens} tokens of prompt and ${newTokens} new ones are more than the ${positions} positions that this ${description.modelType} has`,
    "ask for fewer",
  );
}
