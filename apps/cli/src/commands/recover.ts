import { Command, Option } from "@commander-js/extra-typings";
import { openCheckpoint } from "@vlmopt/tensor-io";
import { formatDuration, parseBytes, parseDuration, parseWhole } from "../terminal/quantities.ts";
import { addTrainingOptions, recoveryOf } from "./recover-options.ts";
import { recoverWithProgress, recoverySummary } from "./recover-with-progress.ts";

export function recoverCommand() {
  const command = new Command("recover")
    .summary("let a pruned model learn from the dense one what to answer")
    .description(
      "Trains a pruned model to give the dense model's answers (distillation), on this machine and without Python. Rows of tokens hold many questions about one picture; the loss is the divergence of the student's distribution of each answer token from the teacher's. Writes the best state on data that is held out, with the input's names, shapes and dtypes, recovery.json and a model card: never a worse model than came in. Stopped in any way, the same command goes on where it was.",
    )
    .argument("<student>", "folder of a pruned model: config.json and safetensors, not quantized")
    .argument("<out>", "folder to write")
    .requiredOption("--teacher <folder>", "the dense model that the student was made from")
    .option(
      "--data <data>",
      "questions with pictures (a folder, a file, or hub:org/name), which the teacher answers, or for language models a text file (default: what the teacher writes by itself)",
    )
    .option("--split <name>", "of --data, which file")
    .option(
      "--samples <count>",
      "of --data, questions, or sequences of 512 tokens (default: 2048)",
      parseWhole(1),
    )
    .option("--time <time>", "in the place of --steps: train so long, such as 10m", parseDuration);
  addTrainingOptions(command as never as Command);
  return command
    .addOption(
      new Option(
        "--executor <name>",
        "what trains: ONNX Runtime on the processor, on a graphics card, or TensorFlow.js by its best backend here",
      )
        .choices(["ort", "webgpu", "tfjs"] as const)
        .default("ort" as const),
    )
    .option("--threads <count>", "processor threads (default: one a core)", parseWhole(1))
    .option("--keep-every <time>", "keep what was learned this often (default: 5m)", parseDuration)
    .option("--shard-size <size>", "most bytes of tensors in one file (default: 5GB)", parseBytes)
    .option("--force", "replace <out>, if vlmopt wrote all that is there")
    .option("--json", "print recovery.json alone")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt recover ./llava-glu50 ./llava-recovered --teacher ./llava-1.5-7b-hf --data ./questions --split train
  $ vlmopt recover ./smollm2-glu50 ./smollm2-recovered --teacher ./smollm2 --data ./texts.txt --time 10m
  $ vlmopt recover ./llava-glu50 ./llava-recovered --teacher ./llava-1.5-7b-hf --data ./questions --way lora --rank 32`,
    )
    .action(async (input, output, options, self) => {
      const { data, split, samples = 2048, json = false, teacher: teacherPath } = options;
      const recovery = recoveryOf(options as Record<string, unknown>);
      if (recovery.steps !== undefined && recovery.time !== undefined)
        self.error("error: --steps and --time both say when training ends: give one of the two");
      const { way, rank, alpha } = recovery;
      if (way !== undefined && way !== "lora" && (rank ?? alpha) !== undefined)
        self.error(`error: --rank and --alpha say nothing with --way ${way}`);
      if (way === "layers" && (recovery.temperature ?? recovery.hiddenWeight) !== undefined)
        self.error("error: --temperature and --hidden-weight say nothing with --way layers");
      if (data === undefined && (split ?? options.samples) !== undefined)
        self.error("error: --split and --samples say nothing without --data");
      await using student = await openCheckpoint(input);
      await using teacher = await openCheckpoint(teacherPath);
      const started = performance.now();
      const record = await recoverWithProgress(student, teacher, output, recovery, {
        ...{ teacherPath, calibrate: data, split, samples, json },
        ...{ executor: options.executor, threads: options.threads, keepEvery: options.keepEvery },
        ...{ shardSize: options.shardSize, force: options.force === true },
      });
      if (record === undefined) return;
      if (json) return console.log(JSON.stringify(record, null, 2));
      console.log(recoverySummary(record));
      console.log(`\n${output}: written in ${formatDuration((performance.now() - started) / 1000)}`);
    });
}
