#!/usr/bin/env node
import { readFileSync } from "node:fs";
import { Command } from "@commander-js/extra-typings";
import { askCommand } from "./commands/ask.ts";
import { benchCommand } from "./commands/bench.ts";
import { cacheCommand } from "./commands/cache.ts";
import { chatCommand } from "./commands/chat.ts";
import { checkCommand } from "./commands/check.ts";
import { compareCommand } from "./commands/compare.ts";
import { compressCommand } from "./commands/compress.ts";
import { convertCommand } from "./commands/convert.ts";
import { dequantizeCommand } from "./commands/dequantize.ts";
import { doctorCommand } from "./commands/doctor.ts";
import { downloadCommand } from "./commands/download.ts";
import { inspectCommand } from "./commands/inspect.ts";
import { mergeCommand } from "./commands/merge.ts";
import { quantizeCommand } from "./commands/quantize.ts";
import { recoverCommand } from "./commands/recover.ts";
import { reportCommand } from "./commands/report.ts";
import { runCommand } from "./commands/run.ts";
import { scoreCommand } from "./commands/score.ts";
import { statusCommand } from "./commands/status.ts";
import { tasksCommand } from "./commands/tasks.ts";
import { visualTokensCommand } from "./commands/visual-tokens.ts";
import { exitCodes, reportFailure } from "./terminal/failure.ts";
import { leaveWhenInterrupted } from "./terminal/interrupt.ts";

const { version } = JSON.parse(readFileSync(new URL("../package.json", import.meta.url), "utf8")) as {
  version: string;
};

const program = new Command()
  .name("vlmopt")
  .description("Makes vision-language models smaller and faster, and proves it.")
  .version(version)
  .option("--debug", "print stack traces")
  .showHelpAfterError("(vlmopt --help shows how it is used)")
  .addHelpText(
    "after",
    `
Examples:
  $ vlmopt download vqaonline --split val --limit 200
  $ vlmopt inspect ./llava-1.5-7b-hf
  $ vlmopt inspect https://hub.example/org/model --json
  $ vlmopt compress ./llava-1.5-7b-hf ./llava-small --glu 0.3 --heads 0.25 --quantize int4-g128
  $ vlmopt recover ./llava-small ./llava-recovered --teacher ./llava-1.5-7b-hf --data ./questions
  $ vlmopt convert ./llava-1.5-7b-hf ./llava-f16 --dtype f16 --shard-size 2GB
  $ vlmopt quantize ./llava-small ./llava-int4 --scheme int4-g128
  $ vlmopt check ./llava-int4 --for vllm,sglang
  $ vlmopt ask ./llava-1.5-7b-hf --image cat.jpg "What is this?"
  $ vlmopt score --predictions answers.jsonl --references refs.jsonl
  $ vlmopt run recipes/tiny-llava.yaml
  $ vlmopt run ./llava-1.5-7b-hf --tasks pope,gqa --limit 500
  $ vlmopt bench ./llava-1.5-7b-hf --vqaonline val --limit 100 --quantize none,int4-g128
  $ vlmopt doctor

Exit codes: 0 done, 1 failed, 2 bad usage, 130 interrupted.`,
  );
for (const command of [
  downloadCommand(),
  inspectCommand(),
  checkCommand(),
  convertCommand(),
  compressCommand("compress"),
  compressCommand("prune"),
  recoverCommand(),
  quantizeCommand(),
  dequantizeCommand(),
  visualTokensCommand(),
  askCommand(),
  chatCommand(),
  scoreCommand(),
  runCommand(),
  tasksCommand(),
  benchCommand(),
  statusCommand(),
  mergeCommand(),
  reportCommand(),
  compareCommand(),
  cacheCommand(),
  doctorCommand(),
]) {
  program.addCommand(command.copyInheritedSettings(program));
}
for (const command of [program, ...program.commands]) command.exitOverride();

leaveWhenInterrupted();
// A reader such as `head` may close the pipe early.
process.stdout.on("error", (error: NodeJS.ErrnoException) => {
  if (error.code === "EPIPE") process.exit();
  throw error;
});
try {
  await program.parseAsync();
} catch (error) {
  process.exitCode = reportFailure(error, program.opts().debug === true);
}
// Exit even if an interrupted request is still open.
if (process.exitCode === exitCodes.interrupted) process.exit();
