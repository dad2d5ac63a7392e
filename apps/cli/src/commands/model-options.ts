import { Command, Option } from "@commander-js/extra-typings";
import {
  type ExecutorName,
  executorNames,
  type GenerateOptions,
  generateRules,
  type Timings,
  type VlmOptions,
  visualTokenMethodNames,
} from "@vlmopt/engine";
import { threads } from "@vlmopt/options";
import { parseBy } from "../terminal/quantities.ts";
import {
  noVisualMergeOption,
  parseVisualTokens,
  type VisualTokenOptions,
  visualMethodsHelp,
  visualTokensOf,
} from "./visual-token-options.ts";

/** A command that runs a model and lets it answer. */
export function answeringCommand(name: string) {
  return new Command(name)
    .argument("<model>", "folder of a checkpoint with its tokenizer")
    .addOption(
      new Option(
        "--executor <name>",
        "what runs the model: ONNX Runtime, a graphics card, that if there is one, TensorFlow.js, or plain TypeScript",
      )
        .choices(executorNames)
        .default("ort" as const),
    )
    .option("--threads <count>", "processor threads (default: one a core)", parseBy(threads))
    .option("--exact", "multiply 4-bit and 8-bit weights in F32 instead of with 8-bit activations")
    .option(
      "--max-new-tokens <count>",
      "most tokens of an answer (default: 256)",
      parseBy(generateRules.maxNewTokens),
    )
    .option(
      "--temperature <number>",
      "0 takes the likeliest token, higher draws",
      parseBy(generateRules.temperature),
    )
    .option(
      "--top-p <share>",
      "draw from the likeliest tokens of this probability together",
      parseBy(generateRules.topP),
    )
    .option(
      "--repetition-penalty <number>",
      "above 1 makes tokens that were there before less likely",
      parseBy(generateRules.repetitionPenalty),
    )
    .option(
      "--visual-tokens <count>",
      "let so many of each picture's tokens go on, or all (default: as vlmopt.json beside the model says, else all)",
      parseVisualTokens,
    )
    .addOption(
      new Option("--visual-method <name>", "of --visual-tokens, which (default: divprune)").choices(
        visualTokenMethodNames,
      ),
    )
    .addOption(noVisualMergeOption())
    .option(
      "--visual-clip <folder>",
      "of --visual-method cdpruner, the CLIP whose vision tower the model has",
    )
    .option("--seed <number>", "what draws depend on", parseBy(generateRules.seed), 0)
    .addHelpText(
      "after",
      `${visualMethodsHelp()}\n\nWhat is not told is as the model's generation_config.json says, as in generate() of transformers.`,
    );
}

/** @param badUsage ends the command with such a message */
export function vlmOptions(
  options: VisualTokenOptions & {
    readonly executor: ExecutorName;
    readonly threads?: number | undefined;
    readonly exact?: true | undefined;
  },
  badUsage: (message: string) => never,
): VlmOptions {
  const visualTokens = visualTokensOf(options, badUsage);
  return {
    ...(visualTokens === undefined ? {} : { visualTokens }),
    executor: options.executor,
    ...(options.exact ? { activations: "float32" } : {}),
    ...(options.threads === undefined ? {} : { threads: options.threads }),
  };
}

export function generateOptions(options: {
  readonly maxNewTokens?: number | undefined;
  readonly temperature?: number | undefined;
  readonly topP?: number | undefined;
  readonly repetitionPenalty?: number | undefined;
  readonly seed: number;
}): GenerateOptions {
  const { maxNewTokens, temperature, topP, repetitionPenalty, seed } = options;
  return {
    seed,
    ...(maxNewTokens === undefined ? {} : { maxNewTokens }),
    ...(temperature === undefined ? {} : { temperature }),
    ...(topP === undefined ? {} : { topP }),
    ...(repetitionPenalty === undefined ? {} : { repetitionPenalty }),
  };
}

/** One line of what an answer took. */
export function timingLine({ ttft, vision, prefill, tokens }: Timings, promptTokens: number): string {
  const ms = (value: number) => `${value.toFixed(0)} ms`;
  const decode = tokens.reduce((sum, time) => sum + time, 0);
  const rate = decode === 0 ? "" : `, then ${((1000 * tokens.length) / decode).toFixed(1)} tokens/s`;
  const seeing = vision === 0 ? "" : `, ${ms(vision)} of it vision`;
  return `first token after ${ms(ttft)} (${promptTokens} prompt tokens, prefill ${ms(prefill)}${seeing})${rate}`;
}
