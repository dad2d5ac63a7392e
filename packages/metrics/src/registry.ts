import { boxOverlap } from "./benchmarks/box-overlap.ts";
import { mme } from "./benchmarks/mme.ts";
import { pope } from "./benchmarks/pope.ts";
import {
  circular,
  containsAnswer,
  exactMatchLmms,
  letterMatch,
  mmmu,
  relaxedAccuracy,
} from "./benchmarks/right-or-wrong.ts";
import { type Baseline, readBaselines } from "./bertscore/baseline.ts";
import { bertScore } from "./bertscore/bertscore.ts";
import type { Encoder } from "./bertscore/encoder.ts";
import { bleu, cocoBleu } from "./bleu/bleu.ts";
import { chrf } from "./chrf/chrf.ts";
import { cider } from "./cider/cider.ts";
import { answerLength, distinct } from "./diversity/diversity.ts";
import { meteor } from "./meteor/index.ts";
import { assertPaired, type Metric, MetricInputError } from "./metric.ts";
import { type JudgeModel, judge } from "./model-metrics/judge.ts";
import type { ModelMetric } from "./model-metrics/model-metric.ts";
import { type LanguageModelScorer, perplexity } from "./model-metrics/perplexity.ts";
import { sentenceSimilarity } from "./model-metrics/sentence-similarity.ts";
import { readBytes } from "./node-files.ts";
import { cocoRougeL, rouge } from "./rouge/rouge.ts";
import { anls } from "./vqa/anls.ts";
import { exactMatch, tokenF1 } from "./vqa/squad.ts";
import { vqaAccuracy } from "./vqa/vqa-accuracy.ts";

/** What metrics that need a model take. */
export interface MetricResources {
  /** Of BERTScore; `layer` where the metric's options name one. */
  readonly encoder?: (layer?: EncoderLayer) => Promise<Encoder>;
  /** Of the judge. */
  readonly judge?: () => Promise<JudgeModel>;
  /** Of perplexity. */
  readonly languageModel?: () => Promise<LanguageModelScorer>;
}

/** Blocks of an encoder that are run; `bert-score`: as many as bert_score takes for that model. */
export type EncoderLayer = number | "bert-score";

type Values = Readonly<Record<string, string | number | boolean | readonly string[]>>;

interface NamedMetric {
  /** What its options hold, by name. */
  readonly options?: Readonly<Record<string, OptionKind>>;
  make(options: Values, resources: MetricResources): Metric | Promise<ModelMetric>;
}

type OptionKind = "flag" | "number" | "text" | "list";

const meteorOptions = {
  ...({ nltk: "text", tokenizer: "text", nltkData: "text" } as const),
  ...({ alpha: "number", beta: "number", gamma: "number" } as const),
};

const plain = (make: () => Metric): NamedMetric => ({ make });

// Options are checked by the metrics themselves.
const metrics: Readonly<Record<string, NamedMetric>> = {
  meteor: { options: meteorOptions, make: (options) => meteor(options) },
  "meteor-1.5": {
    options: { paraphrases: "text" },
    make: (options) => meteor({ ...options, variant: "1.5" }),
  },
  rouge: { options: { stemmer: "flag", types: "list" }, make: (options) => rouge(options) },
  "rouge-coco": plain(cocoRougeL),
  bleu: {
    options: { tokenizer: "text", lowercase: "flag", smoothing: "text" },
    make: (options) => bleu(options),
  },
  "bleu-coco": plain(cocoBleu),
  chrf: { options: { wordOrder: "number", lowercase: "flag" }, make: (options) => chrf(options) },
  "chrf++": { options: { lowercase: "flag" }, make: (options) => chrf({ ...options, wordOrder: 2 }) },
  cider: plain(cider),
  "vqa-accuracy": plain(() => vqaAccuracy()),
  "vqa-accuracy-authors": plain(() => vqaAccuracy({ normalise: "unless-unanimous" })),
  anls: plain(() => anls()),
  "anls-lmms": plain(() => anls({ variant: "lmms-eval" })),
  "exact-match": plain(exactMatch),
  "exact-match-lmms": plain(exactMatchLmms),
  "letter-match": plain(letterMatch),
  "relaxed-accuracy": plain(relaxedAccuracy),
  pope: plain(pope),
  mme: plain(mme),
  mmmu: plain(mmmu),
  circular: plain(circular),
  ocrbench: plain(containsAnswer),
  "box-overlap": plain(boxOverlap),
  "token-f1": plain(tokenF1),
  distinct: plain(distinct),
  length: plain(answerLength),
  bertscore: {
    options: { idf: "flag", rescale: "flag", baseline: "text", layer: "text", batchSize: "number" },
    async make({ layer, baseline, ...options }, { encoder }) {
      if (encoder === undefined)
        throw new MetricInputError("bertscore needs an encoder: give one, or leave it out");
      const model = await encoder(layer === undefined ? undefined : layerOf(String(layer)));
      const rescale = baseline === undefined ? options.rescale === true : baselineIn(String(baseline), model);
      return bertScore({ ...options, rescale, encoder: model });
    },
  },
  "sentence-similarity": {
    options: { layer: "text" },
    async make({ layer }, { encoder }) {
      if (encoder === undefined)
        throw new MetricInputError("sentence-similarity needs an encoder: give one, or leave it out");
      return sentenceSimilarity({
        encoder: await encoder(layer === undefined ? undefined : layerOf(String(layer))),
      });
    },
  },
  judge: {
    async make(_, { judge: model }) {
      if (model === undefined) throw new MetricInputError("judge needs a model: give one, or leave it out");
      return judge({ model: await model() });
    },
  },
  perplexity: {
    options: { startToken: "flag", batchSize: "number" },
    async make(options, { languageModel }) {
      if (languageModel === undefined)
        throw new MetricInputError("perplexity needs a language model: give one, or leave it out");
      const metric = perplexity({ ...options, model: await languageModel() });
      return {
        ...metric,
        async corpus(predictions, references) {
          assertPaired(predictions, references);
          return metric.corpus(predictions);
        },
      };
    },
  },
};

export const metricNames: readonly string[] = Object.keys(metrics);

/** A metric with its options, such as `rouge:stemmer` or `bleu:tokenizer=intl:lowercase`. */
export interface MetricSpec {
  readonly name: string;
  readonly options: Values;
}

/**
 * Reads a metric's name and, behind colons, its options: flags by their names, others as `option=value`, lists parted by `+`.
 * @throws {MetricInputError} for names that are not known, listing those that are
 */
export function parseMetric(text: string): MetricSpec {
  const [name = "", ...given] = text.split(/:(?=[A-Za-z]+(?:[:=]|$))/);
  const { [name]: metric } = metrics;
  if (metric === undefined)
    throw new MetricInputError(`there is no metric "${name}"; there are ${metricNames.join(", ")}`);
  const kinds = metric.options ?? {};
  const options = given.map((part): [string, Values[string]] => {
    const at = part.indexOf("=");
    const option = at < 0 ? part : part.slice(0, at);
    const { [option]: kind } = kinds;
    if (kind === undefined) {
      const known = Object.keys(kinds);
      throw new MetricInputError(
        `${name} has no option "${option}"; ${known.length === 0 ? "it has none" : `there are ${known.join(", ")}`}`,
      );
    }
    return [option, optionValue(name, option, kind, at < 0 ? undefined : part.slice(at + 1))];
  });
  return { name, options: Object.fromEntries(options) };
}

function optionValue(
  metric: string,
  option: string,
  kind: OptionKind,
  text: string | undefined,
): Values[string] {
  if (kind === "flag" && (text === undefined || text === "true" || text === "false")) return text !== "false";
  if (kind === "number" && text !== undefined && text !== "" && Number.isFinite(Number(text)))
    return Number(text);
  if (kind === "list" && text !== undefined && text !== "") return text.split("+");
  // METEOR's folder of NLTK's data may be none.
  if (kind === "text" && text !== undefined && text !== "")
    return option === "nltkData" && text === "false" ? false : text;
  const wanted = { flag: "true or false", number: "a number", list: "names parted by +", text: "a value" }[
    kind
  ];
  throw new MetricInputError(`${metric}: ${option} is ${wanted}, such as ${metric}:${option}=…`);
}

function layerOf(text: string): EncoderLayer {
  if (text === "bert-score") return text;
  const layer = Number(text);
  if (Number.isSafeInteger(layer) && layer >= 0 && text !== "") return layer;
  throw new MetricInputError(`bertscore: layer is a whole number or bert-score, not ${text}`);
}

function baselineIn(file: string, { layer }: Encoder): Baseline {
  const baseline = readBaselines(new TextDecoder().decode(readBytes(file))).get(layer);
  if (baseline !== undefined) return baseline;
  throw new MetricInputError(`${file}: has no baseline for layer ${layer}`);
}

/**
 * A metric by its name and options, see `parseMetric`.
 * @throws {MetricInputError} for names that are not known, listing those that are, and for a model that is missing
 */
export async function metricByName(
  name: string,
  resources: MetricResources = {},
): Promise<Metric | ModelMetric> {
  const spec = parseMetric(name);
  return (metrics[spec.name] as NamedMetric).make(spec.options, resources);
}
