import { basename, resolve } from "node:path";
import { Command, Option } from "@commander-js/extra-typings";
import { type Compressed, defaultQuantizationMethod } from "@vlmopt/compress";
import { describeModel } from "@vlmopt/models";
import {
  type GgufFileType,
  ggufFileTypes,
  openCheckpointOrGguf,
  planQuantization,
  quantizeCheckpoint,
  quantizeToGguf,
} from "@vlmopt/quant";
import { folderSink, inputPaths, rewriteRules } from "@vlmopt/tensor-io";
import { readPlainConfig } from "../model-config.ts";
import { interruptible } from "../terminal/interrupt.ts";
import { byteProgress } from "../terminal/progress.ts";
import { formatBytes, formatDuration, parseBy, parseBytes, parseWhole } from "../terminal/quantities.ts";
import { printCheckLine } from "./check.ts";
import { compressWithProgress } from "./compress-with-progress.ts";
import {
  bitsHelp,
  chosenFormats,
  errorReport,
  linearErrors,
  parseBits,
  presetOption,
  quantizationMethodOption,
  quantizationSummary,
  requestOf,
  schemeList,
} from "./quantization-options.ts";

export function quantizeCommand() {
  return new Command("quantize")
    .summary("store weights in 2, 3, 4 or 8 bits")
    .description(
      "Writes a checkpoint whose language model's linears take 2 to 8 bits, in a format that transformers and vLLM load, with the plan (quantization.json) and a model card beside it. The model reads data meanwhile: each block is rounded so that what it gives changes least, and makes up for those before it; without --calibrate the data are the model's own answers. --by-weights does without. Vision tower, projector, embeddings, output layer and norms stay as they are unless the scheme names them. Stopped in any way, the same command goes on at the block where it was.",
    )
    .argument("<in>", "folder of a model: config.json and safetensors")
    .argument("[out]", "folder to write; not needed with --plan-only")
    .option(
      "--scheme <name>",
      `${schemeList}, ${ggufSchemes.join(", ")}; integers of 2, 3, 4 and 8 bits take groups of any size (-g<size>, -row), and zero points (-zero), with which transformers decodes weights as it loads them; gptq is symmetric, gptq-int8, gptq-int3-g64 and so on of other widths; +down=int8 stores some linears otherwise: vision, projector, qformer, q, k, v, qkv, o, gate, up, down, fc1, fc2, head, embedding, layers such as 0-1, and these joined by dots; several apart by commas with --bits or --size`,
    )
    .option("--bits <mean>", bitsHelp("--scheme"), parseBits)
    .option("--size <bytes>", "the same for the bytes of all safetensors files, such as 2GB", parseBytes)
    .addOption(presetOption())
    .option(
      "--calibrate <data>",
      "what the model reads while it is rounded: questions with pictures (a folder, a file, or hub:org/name), or for language models a text file (default: what the model itself answers)",
    )
    .option("--split <name>", "of --calibrate, which file")
    .option(
      "--samples <count>",
      "of --calibrate, questions, or sequences of 512 tokens (default: 128)",
      parseWhole(1),
    )
    .addOption(quantizationMethodOption("--method <name>"))
    .option(
      "--by-weights",
      "round by weights alone, at once: no data, no model that runs; below 4 bits much worse",
    )
    .addOption(
      new Option("--executor <name>", "what runs the model: ONNX Runtime, or a graphics card")
        .choices(["ort", "webgpu"] as const)
        .default("ort" as const),
    )
    .option("--threads <count>", "processor threads (default: one a core)", parseWhole(1))
    .option("--skip <pattern...>", "tensors that stay; * stands for anything")
    .option("--plan-only", "print what would be done and write nothing")
    .option("--shard-size <size>", "most bytes of tensors in one file (default: 5GB)", parseBytes)
    .option(
      "--workers <count>",
      "worker threads (default: one a processor, up to 8)",
      parseBy(rewriteRules.workers),
    )
    .option("--force", "replace <out>, if vlmopt wrote all that is there")
    .option("--json", "print plan and errors as JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt quantize ./llava-1.5-7b-hf ./llava-int4 --scheme int4-g128 --calibrate ./questions --split train
  $ vlmopt quantize ./smollm2 ./smollm2-int3 --scheme int3-g64-zero --calibrate ./texts.txt
  $ vlmopt quantize ./llava-1.5-7b-hf ./llava-nf4 --scheme nf4-dq --by-weights
  $ vlmopt quantize ./llava-1.5-7b-hf ./llava-gguf --scheme gguf-q4_k
  $ vlmopt quantize ./llava-1.5-7b-hf ./llava-mixed --scheme int3-g128+down=int4-g128+vision=int8+0-1=int8
  $ vlmopt quantize ./llava-1.5-7b-hf ./llava-3.5 --bits 3.5 --calibrate ./questions --split train
  $ vlmopt quantize ./llava-1.5-7b-hf ./llava-4gb --size 4GB --scheme int4-g128,int8+vision=int8
  $ vlmopt quantize ./model --scheme int4-g64 --skip "*.layers.0.*" --plan-only`,
    )
    .action(async (input, output, options, command) => {
      const { planOnly = false, json = false, preset } = options;
      if (output === undefined && !planOnly)
        command.error("error: name the folder to write, or ask for --plan-only");
      const { scheme, bits, size } = options;
      const budgeted = bits !== undefined || size !== undefined;
      if (scheme === undefined && !budgeted)
        return command.error("error: say how weights are stored: --scheme, or a budget, --bits or --size");
      if (budgeted && planOnly)
        return command.error(
          "error: --bits and --size have no plan before data were read: leave --plan-only out",
        );
      if (scheme !== undefined && ggufSchemes.includes(scheme)) {
        if (budgeted) return command.error("error: --bits and --size choose among schemes that are no gguf");
        if (output === undefined || planOnly)
          return command.error("error: a gguf scheme has no plan to print: leave --plan-only out");
        const { calibrate, method } = options;
        const needless = calibrate === undefined ? method && "--method" : "--calibrate";
        if (needless)
          return command.error(`error: ${needless} says nothing with a gguf scheme: weights alone decide`);
        return writeGguf(input, output, { ...options, scheme });
      }
      const { calibrate, split, samples, method, byWeights = false } = options;
      const needless = {
        "--calibrate": calibrate,
        "--bits": bits,
        "--size": size,
        "--method": method,
        "--samples": samples,
        "--split": split,
      };
      for (const [name, value] of Object.entries(needless)) {
        if (value !== undefined && byWeights) command.error(`error: ${name} says nothing with --by-weights`);
      }
      if (calibrate === undefined && (samples ?? split) !== undefined)
        command.error("error: --samples and --split say nothing without --calibrate");
      const { made: how, ...schemes } = requestOf({ schemes: scheme, preset, bits, bytes: size }, (message) =>
        command.error(message),
      );
      const started = performance.now();
      await using source = await openCheckpointOrGguf(input);
      if (!byWeights && !planOnly) {
        const chosen = method ?? defaultQuantizationMethod;
        const skipped = options.skip ?? [];
        const made = await compressWithProgress(source, {}, output ?? "", {
          ...(options.shardSize === undefined ? {} : { shardSize: options.shardSize }),
          ...(options.workers === undefined ? {} : { workers: options.workers }),
          quantize: {
            ...schemes,
            skip: skipped,
            method: chosen,
            made: {
              ...how,
              method: chosen,
              ...(skipped.length === 0 ? {} : { skip: skipped.join(" ") }),
            },
          },
          overwrite: options.force === true,
          baseModel: basename(resolve(input)),
          calibrate,
          split,
          samples,
          executor: options.executor,
          threads: options.threads,
          input,
          json,
        });
        if (made === undefined) return;
        printQuantized(made, output ?? "", started, json);
        if (!json) await printCheckLine(output ?? "");
        return;
      }
      const sink = folderSink(output ?? "", { overwrite: options.force === true });
      await using _claim = planOnly ? undefined : await sink.claim(inputPaths(source));
      const description = describeModel(await readPlainConfig(source), source.tensors);
      const skip = options.skip ?? [];
      const plan = planQuantization(description, source.tensors, {
        ...schemes,
        skip,
        made: { ...how, ...(skip.length === 0 ? {} : { skip: skip.join(" ") }) },
      });
      if (!json) for (const note of plan.notes) console.log(`note: ${note}`);
      if (planOnly) {
        console.log(json ? JSON.stringify(plan, null, 2) : quantizationSummary(plan));
        return;
      }
      const progress = byteProgress("quantizing", json);
      const { errors } = await interruptible((signal) =>
        quantizeCheckpoint(source, plan, sink, {
          measure: true,
          ...(options.shardSize === undefined ? {} : { shardSize: options.shardSize }),
          ...(options.workers === undefined ? {} : { workers: options.workers }),
          signal,
          onProgress: ({ bytes, totalBytes }) => progress.update(bytes, totalBytes),
        }),
      ).finally(() => progress.stop());
      const seconds = (performance.now() - started) / 1000;
      if (json)
        console.log(JSON.stringify({ output, plan, errors: Object.fromEntries(errors), seconds }, null, 2));
      else {
        console.log(`${quantizationSummary(plan)}\n\n${errorReport(errors, description)}`);
        console.log(`\n${output}: written in ${formatDuration(seconds)}`);
        await printCheckLine(output ?? "");
      }
    });
}

/** Prints the plan and the errors of a model that was rounded by data. */
function printQuantized(
  { quantization, reports, notes, formats }: Compressed,
  output: string,
  started: number,
  json: boolean,
): void {
  if (quantization === undefined) return;
  const { plan, description } = quantization;
  const errors = quantization.quantization.errors();
  const seconds = (performance.now() - started) / 1000;
  if (json) {
    const blocks = reports;
    const found = { output, plan, formats, errors: Object.fromEntries(errors), blocks, notes, seconds };
    console.log(JSON.stringify(found, null, 2));
    return;
  }
  for (const note of notes) console.log(`note: ${note}`);
  if (formats !== undefined) console.log(`${chosenFormats(formats)}\n`);
  console.log(
    `${quantizationSummary(plan)}\n\n${errorReport(errors, description)}\n\n${linearErrors(reports)}`,
  );
  console.log(`\n${output}: written in ${formatDuration(seconds)}`);
}

const ggufSchemes = Object.keys(ggufFileTypes).map((type) => `gguf-${type}`);

interface GgufOptions {
  readonly scheme: string;
  readonly force?: boolean;
  readonly json?: boolean;
}

/** Files that llama.cpp loads: the text model's and, of models that see, the vision part's. */
async function writeGguf(
  input: string,
  output: string,
  { scheme, force, json = false }: GgufOptions,
): Promise<void> {
  const started = performance.now();
  await using source = await openCheckpointOrGguf(input);
  const progress = byteProgress("quantizing", json);
  const { files, matrices } = await interruptible((signal) =>
    quantizeToGguf(source, folderSink(output, { overwrite: force === true }), {
      type: scheme.slice("gguf-".length) as GgufFileType,
      signal,
      onProgress: ({ bytes, totalBytes }) => progress.update(bytes, totalBytes),
    }),
  ).finally(() => progress.stop());
  const seconds = (performance.now() - started) / 1000;
  if (json) {
    console.log(JSON.stringify({ output, files, matrices: Object.fromEntries(matrices), seconds }, null, 2));
    return;
  }
  for (const { name, size } of files) console.log(`${name}: ${formatBytes(size)}`);
  const counts = [...matrices].map(([type, count]) => `${count} ${type}`).join(", ");
  console.log(`matrices of the text model: ${counts}\n\n${output}: written in ${formatDuration(seconds)}`);
  await printCheckLine(output);
}
