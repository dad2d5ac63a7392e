import { readFile } from "node:fs/promises";
import { basename, resolve } from "node:path";
import { Command, Option } from "@commander-js/extra-typings";
import { applySavedPlan, type Compression, needsData, previewCompression } from "@vlmopt/compress";
import type { PruningPlan } from "@vlmopt/pruning";
import { openCheckpointOrGguf, type QuantizationRequest } from "@vlmopt/quant";
import { interruptible } from "../terminal/interrupt.ts";
import { formatDuration, parseBytes, parseDuration, parseWhole } from "../terminal/quantities.ts";
import { printCheckLine } from "./check.ts";
import { compressAndRecover } from "./compress-and-recover.ts";
import { compressWithProgress } from "./compress-with-progress.ts";
import { addCompressionOptions, compressionOf, cutsNothing } from "./compression-options.ts";
import { printCompression } from "./compression-tables.ts";
import {
  bitsHelp,
  parseBits,
  presetOption,
  quantizationMethodOption,
  requestOf,
  schemeList,
} from "./quantization-options.ts";
import { recoverySummary } from "./recover-with-progress.ts";

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
    .option("--quantize-bits <mean>", bitsHelp("--quantize"), parseBits)
    .option(
      "--quantize-size <bytes>",
      "the same for the bytes of all safetensors files, such as 2GB",
      parseBytes,
    )
    .addOption(quantizationMethodOption("--quantize-method <name>"))
    .addOption(presetOption())
    .option(
      "--recover <time>",
      "let the pruned model learn from the dense one so long, such as 10m, before it is quantized",
      parseDuration,
    )
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
  $ vlmopt ${name} ./llava-1.5-7b-hf ./llava-half --glu 0.5 --calibrate ./questions --recover 30m
  $ vlmopt ${name} ./smollm2 ./smollm2-small --layers 3 --calibrate ./texts.txt --samples 64
  $ vlmopt ${name} ./qwen2-vl-2b --glu 0.2 --plan-only
  $ vlmopt ${name} ./model ./again --plan ./pruned/pruning.json`,
    )
    .action(async (input, output, options, self) => {
      const { planOnly = false, json = false, quantize, preset, plan: planFile } = options;
      const fail = (message: string) => self.error(message);
      if (output === undefined && !planOnly) fail("error: name the folder to write, or ask for --plan-only");
      const spec = compressionOf(options as Record<string, unknown>, fail);
      const { quantizeBits: bits, quantizeSize: bytes } = options;
      const budgeted = bits !== undefined || bytes !== undefined;
      const named =
        quantize === undefined && !budgeted
          ? undefined
          : requestOf({ schemes: quantize, preset, bits, bytes }, fail);
      const { budget, ...request } = named ?? {};
      const plain = named && (request as QuantizationRequest);
      const { calibrate, split, samples } = options;
      const lone = split === undefined ? samples !== undefined && "--samples" : "--split";
      if (calibrate === undefined && lone) fail(`error: ${lone} says nothing without --calibrate`);
      if (planFile !== undefined) {
        if (!cutsNothing(spec) || calibrate !== undefined)
          fail("error: a saved --plan says what goes: leave out what says it again");
      } else if (cutsNothing(spec)) {
        fail("error: say what to remove: --glu, --heads, --layers, --drop-…, --l1, or a saved --plan");
      }
      const { quantizeMethod } = options;
      if (quantizeMethod !== undefined) {
        if (named === undefined) fail("error: --quantize-method says nothing without --quantize");
        if (planFile !== undefined || !needsData(spec))
          fail("error: --quantize-method rounds by data, which a saved --plan and --by-weights do without");
      }
      if (budgeted && (planOnly || planFile !== undefined || !needsData(spec)))
        fail(
          "error: --quantize-bits and --quantize-size choose by data, which --plan-only, a saved --plan and --by-weights do without",
        );
      if (calibrate !== undefined && planFile === undefined && !needsData(spec))
        fail(
          `error: --calibrate says nothing ${spec.byWeights ? "with --by-weights" : "where --l1 alone looks at weights"}`,
        );
      const { recover } = options;
      if (recover !== undefined && (planFile !== undefined || planOnly || cutsNothing(spec)))
        fail("error: --recover trains what is pruned now: leave out --plan and --plan-only");
      const rewriting = {
        ...(options.shardSize === undefined ? {} : { shardSize: options.shardSize }),
        ...(options.workers === undefined ? {} : { workers: options.workers }),
        quantize: plain,
        overwrite: options.force === true,
        baseModel: basename(resolve(input)),
      };
      await using source = await openCheckpointOrGguf(input);
      const started = performance.now();
      if (planOnly && planFile === undefined) {
        const preview = await previewCompression(source, spec, plain, rewriting);
        return printCompression({ ...preview, reports: [] }, { json, planOnly });
      }
      if (spec.byWeights === true && !onlyL1(spec)) warn(warnings.byWeights);
      if (spec.allocate === "global") warn(warnings.global);
      const compressing = {
        ...rewriting,
        quantize: plain && {
          ...plain,
          ...(budget === undefined ? {} : { budget }),
          ...(quantizeMethod === undefined ? {} : { method: quantizeMethod }),
        },
        ...{ calibrate, split, samples, input, json },
        ...{ executor: options.executor, threads: options.threads },
      };
      if (recover !== undefined) {
        const made = await compressAndRecover(source, spec, output ?? "", recover, compressing);
        if (made === undefined) return;
        const { recovery, ...others } = made;
        printCompression(others, { json, planOnly });
        if (json) return;
        console.log(`\n${recoverySummary(recovery)}`);
        console.log(`\n${output}: written in ${timeSince(started)}`);
        return printCheckLine(output ?? "");
      }
      const made =
        planFile === undefined
          ? await compressWithProgress(source, spec, output ?? "", compressing)
          : await interruptible(async (signal) => {
              const saved = JSON.parse(await readFile(planFile, "utf8")) as PruningPlan;
              return applySavedPlan(source, saved, planOnly ? undefined : output, { ...rewriting, signal });
            });
      if (made === undefined) return;
      printCompression(made, { json, planOnly });
      if (planOnly || json || output === undefined) return;
      console.log(`\n${output}: written in ${timeSince(started)}`);
      await printCheckLine(output);
    });
}

function timeSince(started: number): string {
  return formatDuration((performance.now() - started) / 1000);
}

function onlyL1(spec: Compression): boolean {
  return !needsData({ ...spec, byWeights: undefined });
}

function warn(line: string): void {
  process.stderr.write(`warning: ${line}\n`);
}
