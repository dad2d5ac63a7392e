import { readFile } from "node:fs/promises";
import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import {
  bootstrapRules,
  joinScoreFiles,
  type Metric,
  type ModelMetric,
  metricByName,
  metricNames,
  readPredictions,
  readReferences,
  type Scorecard,
  type ScoreFile,
  ScoreFileError,
  scorecard,
  scorecardCsv,
  scorecardTable,
  type TableText,
  topicTable,
} from "@vlmopt/metrics";
import { clipFor, encoderFor, languageModelFor } from "../scoring-models.ts";
import { parseBy, parseWhole } from "../terminal/quantities.ts";
import { formatTable } from "../terminal/table.ts";
import { parseFailedShare } from "./failed-share.ts";
import { clipScoreOf, picturesOf, seenPictures } from "./score-pictures.ts";

const CLIP_SCORE = "clipscore";
/** CLIPScore is of pictures too, which the registry of texts' metrics does not know. */
const knownMetrics: readonly string[] = [...metricNames, CLIP_SCORE];

export function scoreCommand() {
  return new Command("score")
    .summary("score answers against references, with intervals and tests")
    .description(
      "Scores answers against references, alone or beside another system's, with confidence intervals and significance.",
    )
    .requiredOption("--predictions <file>", 'JSON lines: {"id", "prediction" or "answer" or "text", "topic"}')
    .requiredOption(
      "--references <file>",
      'JSON lines: {"id", "references" or "reference" or "answer", "topic"}; a text or a list of texts',
    )
    .addOption(
      new Option("--metrics <list>", `of ${knownMetrics.join(", ")}`)
        .argParser(parseMetrics)
        .default(["meteor", "rouge", "bleu"], "meteor,rouge,bleu"),
    )
    .option("--encoder <folder>", "of bertscore: a BERT, RoBERTa or one of their kin, with its tokenizer")
    .option("--encoder-layer <count>", "layers of it that are run (default: all)", parseWhole(0))
    .option("--language-model <folder>", "of perplexity: GPT-2 or another decoder, with its tokenizer")
    .option("--clip <folder>", "of clipscore: a CLIP, with its tokenizer and image processor")
    .option(
      "--max-failed <share>",
      "of the items, that may have no answer, no reference, or for clipscore no picture",
      parseFailedShare,
      0.5,
    )
    .option(
      "--images <folder>",
      'of clipscore: where the pictures lie that "image" of a line names (default: beside its file)',
    )
    .option("--vs <file>", "predictions of another system, to compare with")
    .option("--retention", "with --vs the dense model's: how much of its skill is kept")
    .addOption(
      new Option("--by <key>", "score each topic too, and resample within topics").choices([
        "topic",
      ] as const),
    )
    .option("--seed-compat", "newlines become blanks, an empty answer [NO ANSWER]; adds Q")
    .addOption(
      new Option("--interval <method>", "kind of bootstrap interval")
        .choices(["percentile", "bca"] as const)
        .default("percentile" as const),
    )
    .option("--confidence <level>", "of the intervals", parseBy(bootstrapRules.confidence), 0.95)
    .option("--resamples <count>", "of bootstrap intervals", parseBy(bootstrapRules.resamples), 1000)
    .option("--seed <number>", "of all that is drawn", parseBy(bootstrapRules.seed), 12345)
    .addOption(new Option("--csv", "print every figure as CSV").conflicts("json"))
    .option("--json", "print everything as JSON, every item's scores too")
    .addHelpText(
      "after",
      `
Examples:
  $ vlmopt score --predictions answers.jsonl --references refs.jsonl
  $ vlmopt score --predictions small.jsonl --references refs.jsonl --vs dense.jsonl --retention
  $ vlmopt score --predictions answers.jsonl --references refs.jsonl --metrics meteor,rouge --by topic --csv
  $ vlmopt score --predictions answers.jsonl --references refs.jsonl --metrics clipscore --clip clip-vit-base-patch32 --images pictures`,
    )
    .action(async (options, command) => {
      const { vs, by, json, csv, interval, confidence, resamples, seed } = options;
      if (options.retention && vs === undefined)
        command.error("error: --retention needs --vs, the answers of the dense model");
      const answered = { name: options.predictions, bytes: await read(options.predictions) };
      const asked = { name: options.references, bytes: await read(options.references) };
      const predictions = readPredictions(answered.bytes, answered.name, { leaveOut: true });
      const references = readReferences(asked.bytes, asked.name, { leaveOut: true });
      const versus = vs === undefined ? undefined : readPredictions(await read(vs), vs, { leaveOut: true });
      const files = versus === undefined ? [predictions, references] : [predictions, versus, references];
      const unscored = leftOutOf(files);
      let items = joinScoreFiles(predictions, references, versus);
      const metrics: (Metric | ModelMetric)[] = [];
      const loaded: { release(): Promise<void> }[] = [];
      const kept = async <T extends { release(): Promise<void> }>(loading: Promise<T>): Promise<T> => {
        const model = await loading;
        loaded.push(model);
        return model;
      };
      const resources = {
        encoder: () => kept(encoderFor(options.encoder, options.encoderLayer)),
        languageModel: () => kept(languageModelFor(options.languageModel)),
      };
      const clipMetric = async () => {
        const encoder = await kept(clipFor(options.clip));
        const ids = items.map(({ id }) => id);
        const pictures = await seenPictures(picturesOf(ids, [asked, answered], options.images), encoder);
        const unseen = pictures.map((picture) => ("problem" in picture ? picture.problem : undefined));
        for (const [i, problem] of unseen.entries())
          if (problem !== undefined) unscored.push({ id: ids[i] ?? "", problem });
        items = items.filter((_, i) => unseen[i] === undefined);
        return clipScoreOf(pictures, encoder);
      };
      let card: Scorecard;
      try {
        for (const name of options.metrics) {
          metrics.push(name === CLIP_SCORE ? await clipMetric() : await metricByName(name, resources));
        }
        assertScorable(items.length, unscored, options.maxFailed);
        card = await scorecard(items, metrics, {
          ...(by === undefined ? {} : { by }),
          bootstrap: { method: interval, confidence, resamples, seed },
          retention: options.retention === true,
          seedCompat: options.seedCompat === true,
        });
      } finally {
        for (const model of loaded) await model.release();
      }
      if (json) console.log(JSON.stringify(card, null, 2));
      else if (csv) process.stdout.write(scorecardCsv(card));
      else console.log(report(card));
    });
}

interface Unscored {
  readonly id: string;
  /** With file and line. */
  readonly problem: string;
}

function leftOutOf(files: readonly ScoreFile<unknown>[]): Unscored[] {
  const byId = new Map<string, Unscored>();
  for (const { name, leftOut } of files) {
    for (const [id, { line, problem }] of leftOut ?? [])
      if (!byId.has(id)) byId.set(id, { id, problem: `${name}:${line}: ${problem}` });
  }
  return [...byId.values()];
}

/** Items left out that are told one by one; the others are counted. */
const TOLD = 5;

/** Refuses too few items, and tells those that are left out. */
function assertScorable(scored: number, unscored: readonly Unscored[], maxFailed: number): void {
  const [first] = unscored;
  if (first === undefined) return;
  const all = scored + unscored.length;
  const told = `${unscored.length} of ${all} items cannot be scored`;
  const example = `the first: item "${first.id}": ${first.problem}`;
  if (scored === 0) throw new ScoreFileError(`nothing is left to score: ${told}; ${example}`);
  if (unscored.length > maxFailed * all) {
    throw new ScoreFileError(
      `${told}, more than the share of ${maxFailed} that --max-failed allows; ${example}`,
    );
  }
  for (const { id, problem } of unscored.slice(0, TOLD))
    process.stderr.write(`warning: item "${id}" is left out: ${problem}\n`);
  process.stderr.write(`warning: scores are of ${scored} of ${all} items\n`);
}

function report(card: Scorecard): string {
  const topics = topicTable(card);
  return [
    tableOf(scorecardTable(card)),
    ...(topics === undefined ? [] : ["", tableOf(topics)]),
    "",
    `${card.count} items`,
    card.signature,
    ...Object.values(card.metrics),
  ].join("\n");
}

/** Names stand left, numbers right. */
function tableOf({ head, rows }: TableText): string {
  return formatTable(
    head.map((title, i) => (i === 0 ? { title } : { title, align: "right" })),
    rows,
  );
}

async function read(file: string): Promise<Uint8Array> {
  try {
    return await readFile(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ScoreFileError(`${file}: ${code === "ENOENT" ? "no such file" : message}`);
  }
}

function parseMetrics(text: string): string[] {
  const names = [...new Set(text.split(",").map((name) => name.trim()))];
  const unknown = names.find((name) => !knownMetrics.includes(name));
  if (unknown === undefined) return names;
  throw new InvalidArgumentError(`There is no metric "${unknown}"; there are ${knownMetrics.join(", ")}.`);
}
