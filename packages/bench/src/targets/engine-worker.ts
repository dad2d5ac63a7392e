// The process that runs a model for `engineTarget`: nothing of the run but this model is in its memory.
import { readFile } from "node:fs/promises";
import { loadVlm, pictureView, type Vlm, type VlmOptions } from "@vlmopt/engine";
import type { VisualTokensSpec } from "../recipe/recipe.ts";
import { answerParent, peakResident } from "./answer-parent.ts";
import type { FromEngine, ToEngine } from "./engine-protocol.ts";
import { promptParts } from "./prompt-parts.ts";
import type { TargetAnswer, TargetRequest } from "./target.ts";

let vlm: Vlm | undefined;

answerParent(handle);

async function handle(message: ToEngine): Promise<FromEngine> {
  if (message.kind === "load") {
    const started = performance.now();
    const { executor, threads, providers, activations } = message.engine;
    vlm = await loadVlm(message.model, {
      executor,
      ...(threads === undefined ? {} : { threads }),
      ...(providers === undefined ? {} : { providers }),
      ...(activations === undefined ? {} : { activations }),
      ...asked(message.visualTokens),
    });
    return { kind: "loaded", milliseconds: performance.now() - started };
  }
  if (message.kind === "memory") {
    const executor = vlm?.model.executor.peakBytes?.() ?? null;
    return { kind: "memory", process: peakResident(), executor };
  }
  return { kind: "answered", answer: await answer(message.request) };
}

function asked(visualTokens: VisualTokensSpec | undefined): Pick<VlmOptions, "visualTokens"> {
  if (visualTokens === undefined) return {};
  const { clip, ...rest } = visualTokens;
  return { visualTokens: { ...rest, ...(clip === undefined ? {} : { clip }) } };
}

async function answer({ question, images, maxNewTokens, fixedLength }: TargetRequest): Promise<TargetAnswer> {
  if (vlm === undefined) throw new Error("the model has not been loaded");
  const pictures = await Promise.all(images.map((image) => readFile(image)));
  const content = promptParts(question, pictures.length);
  const started = performance.now();
  const {
    text,
    tokens,
    finish,
    promptTokens,
    cacheBytes,
    pictures: reductions = [],
    timings,
  } = await vlm.generate(
    { messages: [{ role: "user", content }], images: pictures },
    // Runs are compared: the likeliest tokens, even where a checkpoint asks to draw.
    { maxNewTokens, minNewTokens: fixedLength ? maxNewTokens : 0, temperature: 0 },
  );
  const latency = performance.now() - started;
  const { ttft } = timings;
  const newTokens = tokens.length;
  const { modelType } = vlm.model.description;
  const views = reductions.flatMap((reduced) => pictureView(modelType, reduced) ?? []);
  const seen = views.length === 0 ? {} : { pictures: views };
  return {
    text,
    promptTokens,
    newTokens,
    cacheBytes,
    ...seen,
    finish,
    ttft,
    tokens: timings.tokens,
    latency,
  };
}
