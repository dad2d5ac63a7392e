import { Command, Option } from "@commander-js/extra-typings";
import { dequantizeCheckpoint, openCheckpointOrGguf, quantizedWeights } from "@vlmopt/quant";
import {
  type Checkpoint,
  type Dtype,
  fileSink,
  folderSink,
  type RewriteProgress,
  rewriteCheckpoint,
  rewriteRules,
} from "@vlmopt/tensor-io";
import { interruptible } from "../terminal/interrupt.ts";
import { byteProgress } from "../terminal/progress.ts";
import { formatBytes, formatCount, formatDuration, parseBy, parseBytes } from "../terminal/quantities.ts";

const dtypeNames: Readonly<Record<string, Dtype>> = {
  bf16: "BF16",
  f16: "F16",
  f32: "F32",
  f8_e4m3: "F8_E4M3",
  f8_e5m2: "F8_E5M2",
};

export function convertCommand() {
  return new Command("convert")
    .summary("rewrite a checkpoint in another dtype or other shards")
    .description(
      "Rewrites a checkpoint: floating-point tensors in another dtype, other shard sizes. Other files of the folder go along. " +
        "A GGUF file becomes safetensors with plain weights, config.json and tokenizer; F32, unless --dtype tells, loses nothing.",
    )
    .argument("<in>", "file, folder or URL of a safetensors checkpoint, or a .gguf file")
    .argument("<out>", "folder to write, or a file where it ends in .safetensors")
    .addOption(
      new Option("--dtype <dtype>", "dtype of the floating-point tensors").choices(Object.keys(dtypeNames)),
    )
    .option("--shard-size <size>", "most bytes of tensors in one file (default: 5GB)", parseBytes)
    .option(
      "--workers <count>",
      "worker threads (default: one a processor, up to 8)",
      parseBy(rewriteRules.workers),
    )
    .option("--allow-non-finite", "carry NaN and infinite numbers along, which are refused otherwise")
    .option("--force", "replace <out>, if vlmopt wrote all that is there")
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt convert ./llava-1.5-7b-hf ./llava-f16 --dtype f16
  $ vlmopt convert ./sharded ./one-file.safetensors
  $ vlmopt convert ./model ./resharded --shard-size 500MB
  $ vlmopt convert ./SmolLM2-135M-Instruct.Q4_1.gguf ./smollm2 --dtype f16`,
    )
    .action(async (input, output, options, command) => {
      const started = performance.now();
      await using source = await openCheckpointOrGguf(input);
      const progress = byteProgress("converting", options.json === true);
      const sinkOf = output.endsWith(".safetensors") ? fileSink : folderSink;
      const sink = sinkOf(output, { overwrite: options.force === true });
      const dtype = options.dtype === undefined ? undefined : (dtypeNames[options.dtype] as Dtype);
      const isGguf = await holdsGgufBlocks(source);
      if (isGguf && dtype?.startsWith("F8_"))
        command.error(`error: --dtype ${options.dtype} is none for GGUF's weights: choose bf16, f16 or f32`);
      const result = await interruptible((signal) => {
        const rewriting = {
          ...(options.shardSize === undefined ? {} : { shardSize: options.shardSize }),
          refuseNonFinite: options.allowNonFinite !== true,
          ...(options.workers === undefined ? {} : { workers: options.workers }),
          signal,
          onProgress: ({ bytes, totalBytes }: RewriteProgress) => progress.update(bytes, totalBytes),
        };
        return isGguf
          ? dequantizeCheckpoint(source, sink, {
              ...rewriting,
              ...(dtype === undefined ? {} : { dtype: dtype as "F16" | "BF16" | "F32" }),
            })
          : rewriteCheckpoint(source, undefined, sink, {
              ...rewriting,
              ...(dtype === undefined ? {} : { dtype }),
            });
      }).finally(() => progress.stop());
      const seconds = (performance.now() - started) / 1000;
      if (options.json) {
        const { files, tensors, tensorBytes } = result;
        console.log(
          JSON.stringify({ output, files, tensors: tensors.length, tensorBytes, seconds }, null, 2),
        );
      } else {
        const files = result.files.length === 1 ? "1 file" : `${result.files.length} files`;
        console.log(
          `${output}: ${formatCount(result.tensors.length)} tensors, ${formatBytes(result.tensorBytes)} in ${files}, ${formatDuration(seconds)}`,
        );
      }
    });
}

/** Tells whether weights are stored in blocks of GGUF. */
async function holdsGgufBlocks(source: Checkpoint): Promise<boolean> {
  const found = await quantizedWeights(source);
  return [...found.values()].some(({ format }) => format.name === "ggml");
}
