import { readFile } from "node:fs/promises";
import { buffer } from "node:stream/consumers";
import { Command, InvalidArgumentError, Option } from "@commander-js/extra-typings";
import type { JudgeCost } from "@vlmopt/bench";
import { type AnswerRows, answerRows, listOfTexts } from "@vlmopt/datasets";
import {
  bootstrapRules,
  type EncoderLayer,
  joinScoreFiles,
  type Metric,
  type ModelMetric,
  metricByName,
  metricNames,
  parseMetric,
  readPredictions,
  readReferences,
  type Scorecard,
  type ScoreFile,
  ScoreFileError,
  type ScoreFileOptions,
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
    .requiredOption(
      "--predictions <file>",
      "JSON lines or a JSON list, CSV, TSV, an Excel table or a text of an answer a line, also packed by gzip; - reads standard input",
    )
    .option(
      "--references <file>",
      "the same, a text or a list of texts each (default: in the file of predictions)",
    )
    .option("--id <key>", "key or column of ids (default: id, question_id, custom_id, doc_id or index)")
    .option(
      "--prediction <key>",
      "key or column of predictions; dots reach inside (default: found by its name)",
    )
    .option("--reference <key>", "key or column of references (default: found by its name)")
    .addOption(
      new Option(
        "--metrics <list>",
        `of ${knownMetrics.join(", ")}; options behind colons, such as rouge:stemmer, bleu:tokenizer=intl, meteor:nltk=3.10, bertscore:idf:rescale`,
      )
        .argParser(parseMetrics)
        .default(["meteor", "rouge", "bleu"], "meteor,rouge,bleu"),
    )
    .option(
      "--encoder <folder>",
      "of bertscore and sentence-similarity: a BERT, RoBERTa or one of their kin, with its tokenizer",
    )
    .option(
      "--encoder-layer <count>",
      "layers of it that are run, or bert-score: as many as bert_score takes for that model (default: all)",
      parseLayer,
    )
    .option(
      "--judge <url/model>",
      "grade answers by a model behind an OpenAI-compatible server: http://localhost:8000/v1/org/model",
    )
    .option("--judge-key-variable <name>", "of --judge, environment variable that holds the key")
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
    .option("--vs <file>", "predictions of another system, to compare with, in any of these forms")
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
  $ vlmopt score --predictions samples_gqa.jsonl --metrics exact-match-lmms
  $ vlmopt score --predictions model_MMBench.xlsx --metrics exact-match --prediction prediction --reference answer
  $ zcat batch.jsonl.gz | vlmopt score --predictions - --references refs.csv --metrics rouge:stemmer
  $ vlmopt score --predictions answers.jsonl --references refs.jsonl --metrics clipscore --clip clip-vit-base-patch32 --images pictures`,
    )
    .action(async (options, command) => {
      const { vs, by, json, csv, interval, confidence, resamples, seed } = options;
      if (options.retention && vs === undefined)
        command.error("error: --retention needs --vs, the answers of the dense model");
      if (options.references === options.predictions && options.references === "-")
        command.error("error: standard input is read once: leave --references out where it holds them too");
      const given = await answersIn(options.predictions);
      const { references: other = options.predictions } = options;
      const asked = other === options.predictions ? given : await answersIn(other);
      const predictions = readPredictions(given.rows, given.name, keysOf(options, given));
      const references = readReferences(asked.rows, asked.name, keysOf(options, asked));
      const others = vs === undefined ? undefined : await answersIn(vs);
      const versus = others && readPredictions(others.rows, others.name, keysOf(options, others));
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
      const judging = await judgeOf(options.judge, options.judgeKeyVariable);
      const asking: readonly string[] = options.metrics;
      const named = asking.includes("judge") || judging === undefined ? [] : ["judge"];
      const resources = {
        encoder: (layer: EncoderLayer | undefined = options.encoderLayer) =>
          kept(encoderFor(options.encoder, layer)),
        ...(judging === undefined ? {} : { judge: async () => judging }),
        languageModel: () => kept(languageModelFor(options.languageModel)),
      };
      const clipMetric = async () => {
        const encoder = await kept(clipFor(options.clip));
        const ids = items.map(({ id }) => id);
        const pictures = await seenPictures(
          picturesOf(ids, [references, predictions], options.images),
          encoder,
        );
        const unseen = pictures.map((picture) => ("problem" in picture ? picture.problem : undefined));
        for (const [i, problem] of unseen.entries())
          if (problem !== undefined) unscored.push({ id: ids[i] ?? "", problem });
        items = items.filter((_, i) => unseen[i] === undefined);
        return clipScoreOf(pictures, encoder);
      };
      let card: Scorecard;
      try {
        for (const name of [...asking, ...named]) {
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
      if (judging !== undefined) process.stderr.write(`${judged(card, judging.cost())}\n`);
      if (json) console.log(JSON.stringify(card, null, 2));
      else if (csv) process.stdout.write(scorecardCsv(card));
      else console.log(report(card));
    });
}

async function judgeOf(text: string | undefined, apiKeyVariable: string | undefined) {
  if (text === undefined) return undefined;
  const { judgeModel, parseJudge } = await import("@vlmopt/bench");
  return judgeModel({ ...parseJudge(text), apiKeyVariable });
}

/** Says how many tokens grading took, and how often its two passes agree. */
function judged(card: Scorecard, { requests, cached, promptTokens, newTokens }: JudgeCost): string {
  const { value = 0 } = card.figures.find(({ figure }) => figure === "judge-agreement") ?? {};
  const tokens =
    promptTokens === null || newTokens === null ? "unknown numbers of" : `${promptTokens} + ${newTokens}`;
  return `judge: ${requests} requests of ${tokens} tokens, ${cached} answered before; a second pass grades ${(100 * value).toFixed(1)} % alike`;
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

/** Rows of a file, or of standard input. */
async function answersIn(file: string): Promise<AnswerRows & { readonly name: string }> {
  return { name: file, ...answerRows(await read(file), file) };
}

interface Keys {
  readonly id?: string | undefined;
  readonly prediction?: string | undefined;
  readonly reference?: string | undefined;
}

function keysOf({ id, prediction, reference }: Keys, { cellsAreText }: AnswerRows): ScoreFileOptions {
  return {
    leaveOut: true,
    ...(id === undefined ? {} : { id }),
    ...(prediction === undefined ? {} : { prediction }),
    ...(reference === undefined ? {} : { reference }),
    ...(cellsAreText ? { readList: listOfTexts } : {}),
  };
}

async function read(file: string): Promise<Uint8Array> {
  try {
    return file === "-" ? await buffer(process.stdin) : await readFile(file);
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new ScoreFileError(`${file}: ${code === "ENOENT" ? "no such file" : message}`);
  }
}

function parseMetrics(text: string): string[] {
  const specs = [...new Set(text.split(",").map((name) => name.trim()))];
  const names = new Set<string>();
  for (const spec of specs) {
    const name = spec === CLIP_SCORE ? spec : metricNamed(spec);
    if (names.has(name)) throw new InvalidArgumentError(`${name} is named twice.`);
    names.add(name);
  }
  return specs;
}

function metricNamed(spec: string): string {
  try {
    return parseMetric(spec).name;
  } catch (error) {
    const { message } = error as Error;
    const known = message.replace(/; there are .*, perplexity$/, `; there are ${knownMetrics.join(", ")}`);
    throw new InvalidArgumentError(`${known[0]?.toUpperCase()}${known.slice(1)}.`);
  }
}

const parseCount = parseWhole(0);

function parseLayer(text: string): EncoderLayer {
  return text === "bert-score" ? text : parseCount(text);
}
