import { readFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { Command, Option } from "@commander-js/extra-typings";
import {
  applySavedPlan,
  type Compressed,
  type Compression,
  type CompressOptions,
  compressCheckpoint,
  needsData,
  previewCompression,
  workFolder,
} from "@vlmopt/compress";
import type { PruningPlan } from "@vlmopt/pruning";
import type { QuantizationRequest } from "@vlmopt/quant";
import { type Checkpoint, openCheckpoint } from "@vlmopt/tensor-io";
import { exitCodes } from "../terminal/failure.ts";
import { interruptible } from "../terminal/interrupt.ts";
import { byteProgress, type Progress, stepProgress } from "../terminal/progress.ts";
import { formatDuration, parseBytes, parseWhole } from "../terminal/quantities.ts";
import { type CalibrateOptions, calibrateSpec } from "./calibrate-option.ts";
import { addCompressionOptions, compressionOf, cutsNothing } from "./compression-options.ts";
import { printCompression } from "./compression-tables.ts";
import { presetOption, schemeList } from "./quantization-options.ts";
import { schemesOf } from "./quantize.ts";

const warnings = {
  byWeights:
    "choosing by weights alone is worse than chance on trained language models: leave --by-weights out to choose by data",
  global: "layers get widths of their own, which vlmopt loads and stock transformers does not",
};

/** `compress` and `prune` are one command by two names. */
export function compressCommand(name: "compress" | "prune") {
  const command = new Command(name)
    .summary(
      name === "compress"
        ? "remove neurons, heads or layers by data, repair what stays, and quantize it"
        : "remove neurons, heads or layers of the language model",
    )
    .description(
      "Removes neurons, attention heads or layers of the language model. What goes is chosen by what data do in the model, block by block, and what stays is fitted to make up for it; without --calibrate the data are the model's own answers. Writes a smaller checkpoint that stock transformers loads, with the plan (pruning.json), the errors of each block (compression.json) and a model card. Stopped in any way, the same command goes on at the block where it was.",
    )
    .argument("<in>", "folder of a model: config.json and safetensors")
    .argument("[out]", "folder to write; not needed with --plan-only");
  addCompressionOptions(command as never as Command);
  return command
    .option(
      "--calibrate <data>",
      "questions with pictures (a folder, a file, or hub:org/name), or for language models a text file (default: what the model itself answers)",
    )
    .option("--split <name>", "of --calibrate, which file")
    .option(
      "--samples <count>",
      "of --calibrate, questions, or sequences of 512 tokens (default: 128)",
      parseWhole(1),
    )
    .addOption(
      new Option("--executor <name>", "what runs the model: ONNX Runtime, or a graphics card")
        .choices(["ort", "webgpu"] as const)
        .default("ort" as const),
    )
    .option("--threads <count>", "processor threads (default: one a core)", parseWhole(1))
    .option("--plan <file>", "apply a saved plan (pruning.json) instead of making one")
    .option(
      "--quantize <scheme>",
      `store what stays in 2 to 8 bits, in the same pass: ${schemeList}, or several as in \`vlmopt quantize\``,
    )
    .addOption(presetOption())
    .option("--plan-only", "print what would be done and write nothing")
    .option("--shard-size <size>", "most bytes of tensors in one file (default: 5GB)", parseBytes)
    .option("--workers <count>", "worker threads (default: one a processor, up to 8)", parseWhole(0))
    .option("--force", "replace <out>, if vlmopt wrote all that is there")
    .option("--json", "print plan and errors as JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt ${name} ./llava-1.5-7b-hf ./llava-glu30 --glu 0.3
  $ vlmopt ${name} ./llava-1.5-7b-hf ./llava-small --glu 0.3 --heads 0.25 --quantize int4-g128 --calibrate ./questions --split train
  $ vlmopt ${name} ./smollm2 ./smollm2-small --layers 3 --calibrate ./texts.txt --samples 64
  $ vlmopt ${name} ./qwen2-vl-2b --glu 0.2 --plan-only
  $ vlmopt ${name} ./model ./again --plan ./pruned/pruning.json`,
    )
    .action(async (input, output, options, self) => {
      const { planOnly = false, json = false, quantize, preset, plan: planFile } = options;
      const fail = (message: string) => self.error(message);
      if (output === undefined && !planOnly) fail("error: name the folder to write, or ask for --plan-only");
      const spec = compressionOf(options as Record<string, unknown>, fail);
      const request: QuantizationRequest | undefined =
        quantize === undefined
          ? undefined
          : { ...schemesOf(quantize, preset, fail), made: { scheme: quantize, preset } };
      const { calibrate, split, samples } = options;
      const lone = split === undefined ? samples !== undefined && "--samples" : "--split";
      if (calibrate === undefined && lone) fail(`error: ${lone} says nothing without --calibrate`);
      if (planFile !== undefined) {
        if (!cutsNothing(spec) || calibrate !== undefined)
          fail("error: a saved --plan says what goes: leave out what says it again");
      } else if (cutsNothing(spec)) {
        fail("error: say what to remove: --glu, --heads, --layers, --drop-…, --l1, or a saved --plan");
      }
      if (calibrate !== undefined && planFile === undefined && !needsData(spec))
        fail(
          `error: --calibrate says nothing ${spec.byWeights ? "with --by-weights" : "where --l1 alone looks at weights"}`,
        );
      const rewriting = {
        ...(options.shardSize === undefined ? {} : { shardSize: options.shardSize }),
        ...(options.workers === undefined ? {} : { workers: options.workers }),
        quantize: request,
        overwrite: options.force === true,
        baseModel: basename(resolve(input)),
      };
      await using source = await openCheckpoint(input);
      const started = performance.now();
      if (planOnly && planFile === undefined) {
        const preview = await previewCompression(source, spec, request, rewriting);
        return printCompression({ ...preview, reports: [] }, { json, planOnly });
      }
      if (spec.byWeights === true && !onlyL1(spec)) warn(warnings.byWeights);
      if (spec.allocate === "global") warn(warnings.global);
      const made =
        planFile === undefined
          ? await compressWithProgress(source, spec, output ?? "", {
              ...rewriting,
              ...{
                calibrate,
                split,
                samples,
                executor: options.executor,
                threads: options.threads,
                input,
                json,
              },
            })
          : await interruptible(async (signal) => {
              const saved = JSON.parse(await readFile(planFile, "utf8")) as PruningPlan;
              return applySavedPlan(source, saved, planOnly ? undefined : output, { ...rewriting, signal });
            });
      if (made === undefined) return;
      printCompression(made, { json, planOnly });
      if (!planOnly && !json)
        console.log(`\n${output}: written in ${formatDuration((performance.now() - started) / 1000)}`);
    });
}

interface CompressWithProgress extends CalibrateOptions, Omit<CompressOptions, "calibration" | "onBlock"> {
  readonly input: string;
  readonly executor: "ort" | "webgpu";
  readonly threads?: number | undefined;
  readonly json: boolean;
}

/** @returns undefined where it was interrupted, which is told */
async function compressWithProgress(
  source: Checkpoint,
  spec: Compression,
  output: string,
  { input, executor, threads, json, calibrate, split, samples, ...options }: CompressWithProgress,
): Promise<Compressed | undefined> {
  const answering = stepProgress(json);
  const compressing = stepProgress(json);
  // Begins once there is something to write: it tells the time since.
  let writing: Progress | undefined;
  const said = needsData(spec)
    ? `interrupted; blocks that are done are kept in ${workFolder(output)}: run the same command to go on`
    : "interrupted; nothing was written";
  try {
    return await interruptible(
      (signal) =>
        compressCheckpoint(source, spec, output, {
          ...options,
          signal,
          calibration: async () => {
            const { modelCalibration, openCalibrationSet } = await import("@vlmopt/bench");
            const set = await openCalibrationSet(await calibrateSpec({ calibrate, split, samples }));
            return modelCalibration(source, input, set, {
              executor,
              threads,
              signal,
              onAnswers: (done, total) => answering.update("answering", done, total, true),
            });
          },
          onBlock: (done, total, resumed) => {
            answering.stop();
            compressing.update("compressing", done, total, !resumed);
          },
          onProgress: ({ bytes, totalBytes }) => {
            compressing.stop();
            writing ??= byteProgress("writing", json);
            writing.update(bytes, totalBytes);
          },
        }),
      said,
    );
  } catch (error) {
    if (!(error instanceof Error && error.name === "AbortError")) throw error;
    process.stderr.write(`error: ${said}\n`);
    process.exitCode = exitCodes.interrupted;
    return undefined;
  } finally {
    answering.stop();
    compressing.stop();
    writing?.stop();
  }
}

function onlyL1(spec: Compression): boolean {
  return !needsData({ ...spec, byWeights: undefined });
}

function warn(line: string): void {
  process.stderr.write(`warning: ${line}\n`);
}
