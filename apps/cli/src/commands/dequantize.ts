import { Command, Option } from "@commander-js/extra-typings";
import { dequantizeCheckpoint, openCheckpointOrGguf } from "@vlmopt/quant";
import { folderSink, inputPaths, rewriteRules } from "@vlmopt/tensor-io";
import { interruptible } from "../terminal/interrupt.ts";
import { byteProgress } from "../terminal/progress.ts";
import { formatBytes, formatCount, formatDuration, parseBy, parseBytes } from "../terminal/quantities.ts";

const dtypes = { bf16: "BF16", f16: "F16", f32: "F32" } as const;

export function dequantizeCommand() {
  return new Command("dequantize")
    .summary("write weights of 2 to 8 bits as plain ones")
    .description(
      "Writes a checkpoint of compressed-tensors, bitsandbytes, GPTQ or AWQ, or a GGUF file, with plain weights, of the dtype that they had or another.",
    )
    .argument("<in>", "folder of a quantized model, or a .gguf file")
    .argument("<out>", "folder to write")
    .addOption(
      new Option("--dtype <dtype>", "dtype of the weights (default: what they had)").choices([
        "bf16",
        "f16",
        "f32",
      ] as const),
    )
    .option("--shard-size <size>", "most bytes of tensors in one file (default: 5GB)", parseBytes)
    .option(
      "--workers <count>",
      "worker threads (default: one a processor, up to 8)",
      parseBy(rewriteRules.workers),
    )
    .option("--force", "replace <out>, if vlmopt wrote all that is there")
    .option("--json", "print the result as JSON")
    .addHelpText("after", "\nExample:\n  $ vlmopt dequantize ./llava-int4 ./llava-again --dtype bf16")
    .action(async (input, output, options) => {
      const started = performance.now();
      await using source = await openCheckpointOrGguf(input);
      const sink = folderSink(output, { overwrite: options.force === true });
      await using _claim = await sink.claim(inputPaths(source));
      const progress = byteProgress("dequantizing", options.json === true);
      const { files, tensors, tensorBytes } = await interruptible((signal) =>
        dequantizeCheckpoint(source, sink, {
          ...(options.dtype === undefined ? {} : { dtype: dtypes[options.dtype] }),
          ...(options.shardSize === undefined ? {} : { shardSize: options.shardSize }),
          ...(options.workers === undefined ? {} : { workers: options.workers }),
          signal,
          onProgress: ({ bytes, totalBytes }) => progress.update(bytes, totalBytes),
        }),
      ).finally(() => progress.stop());
      const seconds = (performance.now() - started) / 1000;
      if (options.json) {
        console.log(
          JSON.stringify({ output, files, tensors: tensors.length, tensorBytes, seconds }, null, 2),
        );
      } else {
        console.log(
          `${output}: ${formatCount(tensors.length)} tensors, ${formatBytes(tensorBytes)}, ${formatDuration(seconds)}`,
        );
      }
    });
}
