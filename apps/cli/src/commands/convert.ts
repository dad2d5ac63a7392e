import { Command, Option } from "@commander-js/extra-typings";
import {
  type Dtype,
  fileSink,
  folderSink,
  openCheckpoint,
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
      "Rewrites a checkpoint: floating-point tensors in another dtype, other shard sizes. Other files of the folder go along.",
    )
    .argument("<in>", "file, folder or URL of a safetensors checkpoint")
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
  $ vlmopt convert ./model ./resharded --shard-size 500MB`,
    )
    .action(async (input, output, options) => {
      const started = performance.now();
      await using source = await openCheckpoint(input);
      const progress = byteProgress("converting", options.json === true);
      const sink = output.endsWith(".safetensors") ? fileSink : folderSink;
      const result = await interruptible((signal) =>
        rewriteCheckpoint(source, undefined, sink(output, { overwrite: options.force === true }), {
          ...(options.dtype === undefined ? {} : { dtype: dtypeNames[options.dtype] as Dtype }),
          ...(options.shardSize === undefined ? {} : { shardSize: options.shardSize }),
          refuseNonFinite: options.allowNonFinite !== true,
          ...(options.workers === undefined ? {} : { workers: options.workers }),
          signal,
          onProgress: ({ bytes, totalBytes }) => progress.update(bytes, totalBytes),
        }),
      ).finally(() => progress.stop());
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
