import { basename } from "node:path";
import { Command, Option } from "@commander-js/extra-typings";
import {
  cacheFolder,
  type DownloadProgress,
  downloadRepository,
  downloadRules,
  type HubOptions,
  type Sampling,
  VQAONLINE_REPOSITORY,
  type VqaonlineSplit,
  vqaonline,
  vqaonlineSplits,
} from "@vlmopt/datasets";
import { exitCodes } from "../terminal/failure.ts";
import { interruptible } from "../terminal/interrupt.ts";
import { byteProgress } from "../terminal/progress.ts";
import { formatBytes, formatCount, formatDuration, parseBy, parseWhole } from "../terminal/quantities.ts";

const INTERRUPTED = "interrupted; what has arrived is kept: run it again to go on";

export function downloadCommand() {
  return new Command("download")
    .summary("get a model or a data set from the hub")
    .description(
      "Downloads a model, a data set, or a sample of VQAonline from the hub, verified. Run again, it goes on where it stopped.",
    )
    .argument("<what>", "org/name of a model, datasets/org/name, or vqaonline")
    .argument("[folder]", "where to (default: the model's name; for data sets, the user's cache)")
    .option("--revision <revision>", "branch, tag or commit (default: main)")
    .option("--include <pattern...>", "take these files alone, such as '*.json'")
    .option("--exclude <pattern...>", "leave these files")
    .option("--all", "of a model with safetensors, take the same weights in other forms too")
    .addOption(new Option("--split <split>", "of vqaonline (default: val)").choices(vqaonlineSplits))
    .option("--limit <count>", "of vqaonline, this many questions and their images", parseWhole(1))
    .addOption(
      new Option("--sample <method>", "which questions --limit takes (default: first)").choices([
        "first",
        "random",
        "stratified",
      ] as const),
    )
    .option("--seed <seed>", "of --sample random and stratified (default: 0)", parseWhole(0))
    .option("--topic <topic...>", "of vqaonline, these topics alone")
    .option("--concurrency <count>", "files at once", parseBy(downloadRules.concurrency), 8)
    .option("--offline", "only check that everything is there")
    .option("--force", "bring files again that changed since they were downloaded")
    .option("--json", "print the result as JSON")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt download llava-hf/llava-1.5-7b-hf
  $ vlmopt download Qwen/Qwen2-VL-2B-Instruct ./qwen --revision main --include '*.json'
  $ vlmopt download vqaonline --split val --limit 200
  $ vlmopt download vqaonline --split test --limit 500 --sample stratified --seed 7

Gated and private repositories: set HF_TOKEN, or log in with the hub's own tool.`,
    )
    .action(async (what, folder, options, command) => {
      const { split, limit, sample, topic, json = false } = options;
      const isVqaonline = what === "vqaonline" || what === VQAONLINE_REPOSITORY;
      const questions = [split, limit, sample, options.seed, topic].some((option) => option !== undefined);
      const files = [options.include, options.exclude, options.all].some((option) => option !== undefined);
      if (questions && (!isVqaonline || files)) {
        command.error(
          "error: --split, --limit, --sample, --seed and --topic choose questions of vqaonline, not files",
        );
      }
      if (sample !== undefined && limit === undefined) command.error("error: --sample needs a --limit");

      const started = performance.now();
      const shared: Shared = {
        concurrency: options.concurrency,
        replace: options.force === true,
        ...(options.offline ? { offline: true } : {}),
        ...(options.revision === undefined ? {} : { revision: options.revision }),
        ...(json ? {} : { onWait: sayWait }),
      };
      const work =
        isVqaonline && !files
          ? (signal: AbortSignal) =>
              downloadQuestions(folder, { ...shared, signal }, json, {
                ...(split === undefined ? {} : { split }),
                ...(topic === undefined ? {} : { topics: topic }),
                ...(limit === undefined ? {} : { sample: samplingOf(sample, limit, options.seed) }),
              })
          : (signal: AbortSignal) =>
              downloadFiles(isVqaonline ? VQAONLINE_REPOSITORY : what, folder, { ...shared, signal }, json, {
                safetensorsOnly: options.all !== true,
                ...(options.include === undefined ? {} : { allow: options.include }),
                ...(options.exclude === undefined ? {} : { ignore: options.exclude }),
              });
      try {
        const { summary, ...result } = await interruptible(work, INTERRUPTED);
        const seconds = (performance.now() - started) / 1000;
        if (json) console.log(JSON.stringify({ ...result, seconds }, null, 2));
        else console.log(`${result.folder}: ${summary}, ${formatDuration(seconds)}`);
      } catch (error) {
        if (!(error instanceof Error && error.name === "AbortError")) throw error;
        process.stderr.write(`error: ${INTERRUPTED}\n`);
        process.exitCode = exitCodes.interrupted;
      }
    });
}

type Shared = HubOptions & {
  readonly revision?: string;
  readonly concurrency: number;
  readonly replace: boolean;
};

/** What --json prints, and the sentence for people. */
type Downloaded = Readonly<Record<string, unknown>> & { readonly folder: string; readonly summary: string };

async function downloadFiles(
  repository: string,
  folder: string | undefined,
  shared: Shared,
  json: boolean,
  patterns: { allow?: string[]; ignore?: string[]; safetensorsOnly: boolean },
): Promise<Downloaded> {
  const isModel = !repository.startsWith("datasets/");
  const target = folder ?? (isModel ? basename(repository) : cacheFolder(repository));
  const progress = byteProgress("downloading", json);
  const result = await downloadRepository(repository, target, {
    ...shared,
    ...patterns,
    onProgress: ({ bytes, totalBytes }) => progress.update(bytes, totalBytes),
  }).finally(() => progress.stop());
  const { files, bytes, fetchedFiles, fetchedBytes, revision, commit } = result;
  return {
    repository,
    revision,
    commit,
    folder: target,
    files: files.map(({ path }) => path),
    bytes,
    fetchedFiles,
    fetchedBytes,
    summary: `${countOf(files.length, "file")}, ${formatBytes(bytes)}, ${formatBytes(fetchedBytes)} of it new, at commit ${commit.slice(0, 8)}`,
  };
}

async function downloadQuestions(
  folder: string | undefined,
  shared: Shared,
  json: boolean,
  choice: { split?: VqaonlineSplit; topics?: string[]; sample?: Sampling },
): Promise<Downloaded> {
  const target = folder ?? cacheFolder(VQAONLINE_REPOSITORY);
  const reading = byteProgress("questions", json);
  const set = await vqaonline({
    ...shared,
    ...choice,
    folder: target,
    wait: 0,
    onProgress: ({ bytes, totalBytes }) => reading.update(bytes, totalBytes),
  }).finally(() => reading.stop());
  const fetching = byteProgress("images", json);
  let images: DownloadProgress = { bytes: 0, totalBytes: 0, files: 0, totalFiles: 0 };
  await set
    .fetchImages({
      ...shared,
      wait: 0,
      onProgress: (progress) => {
        images = progress;
        fetching.update(progress.bytes, progress.totalBytes);
      },
    })
    .finally(() => fetching.stop());
  const { commit, signature, records } = set;
  return {
    repository: VQAONLINE_REPOSITORY,
    split: set.split,
    commit,
    folder: target,
    questions: records.length,
    images: images.totalFiles,
    imageBytes: images.totalBytes,
    signature,
    summary: `${countOf(records.length, "question")} of ${set.split}, ${countOf(images.totalFiles, "image")}, ${formatBytes(images.totalBytes)}`,
  };
}

function samplingOf(method: Sampling["method"] = "first", count: number, seed = 0): Sampling {
  return method === "first" ? { method, count } : { method, count, seed };
}

function sayWait({ delay, reason }: { readonly delay: number; readonly reason: string }): void {
  process.stderr.write(`${reason}: again in ${formatDuration(delay / 1000)}\n`);
}

function countOf(count: number, noun: string): string {
  return `${formatCount(count)} ${noun}${count === 1 ? "" : "s"}`;
}
