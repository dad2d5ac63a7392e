import { checkOptions, either, finite, flag, oneOf, type Rules, text } from "@vlmopt/options";
import { type Metric, meanMetric } from "../metric.ts";
import { signature } from "../signature.ts";
import { punktModel } from "../text/punkt-data.ts";
import { splitWords } from "../text/python-classes.ts";
import type { NltkRelease } from "../text/treebank-tokenizer.ts";
import { wordTokenize } from "../text/word-tokenize.ts";
import { wordNet } from "../wordnet/wordnet.ts";
import { type Alignment, countChunks, NltkAligner } from "./nltk-alignment.ts";
import { NltkVocabulary } from "./nltk-vocabulary.ts";

export interface NltkMeteorWeights {
  /** Weight of precision against recall: fmean = P·R / (α·P + (1 − α)·R); .9 unless told. */
  readonly alpha?: number;
  /** Penalty = γ·(chunks / matches)^β; 3 unless told. */
  readonly beta?: number;
  /** .5 unless told. */
  readonly gamma?: number;
  /**
   * The NLTK whose number to give: "3.8" unless told, which stands for 3.8.1 and before. From 3.9 on WordNet's endings are detached once
   * only, and 3.10 splits off dashes and opening apostrophes and takes curly quotes for the end of sentences.
   */
  readonly nltk?: NltkRelease;
}

const weightRules: Rules<NltkMeteorWeights> = {
  alpha: finite({ from: 0, to: 1 }),
  beta: finite({ from: 0 }),
  gamma: finite({ from: 0, to: 1 }),
  nltk: oneOf(["3.8", "3.9", "3.10"]),
};

export interface NltkMeteorOptions extends NltkMeteorWeights {
  readonly variant?: "nltk";
  /** NLTK's word_tokenize unless told; or words as white space parts them. */
  readonly tokenizer?: "word_tokenize" | "whitespace";
  /**
   * The nltk_data folder whose Punkt parameters word_tokenize splits sentences by. Unless told, NLTK_DATA and the folders where NLTK
   * looks, and where none of them has the parameters, or with `false`, a built-in list of abbreviations.
   */
  readonly nltkData?: string | false;
}

/** METEOR as NLTK's `meteor_score` computes it; of several references the best score, and of a corpus the mean. */
export function nltkMeteor(options: NltkMeteorOptions = {}): Metric {
  checkOptions("meteor", options, {
    ...weightRules,
    variant: oneOf(["nltk"]),
    tokenizer: oneOf(["word_tokenize", "whitespace"]),
    nltkData: either(text, flag),
  });
  const { alpha = 0.9, beta = 3, gamma = 0.5, nltk = "3.8", tokenizer = "word_tokenize" } = options;
  const punkt = tokenizer === "word_tokenize" ? punktModel(options.nltkData) : undefined;
  const name = signature("meteor", {
    variant: "nltk",
    nltk,
    tok: tokenizer,
    ...(punkt && { punkt: punkt.name }),
    stem: "porter-nltk",
    wordnet: "3.0",
    alpha,
    beta,
    gamma,
  });
  const words = (text: string) =>
    punkt === undefined ? splitWords(text) : wordTokenize(text, punkt.parameters, nltk);
  return meanMetric("meteor", ["meteor"], name, (prediction, references) => {
    const { vocabulary, aligner } = alignerOf(nltk);
    const hypothesis = vocabulary.idsOf(words(prediction));
    const scores = references.map((text) => {
      const reference = vocabulary.idsOf(words(text));
      return meteorOf(aligner.align(hypothesis, reference), reference.length, { alpha, beta, gamma });
    });
    return Float64Array.of(Math.max(...scores));
  });
}

/** Scores a hypothesis against one reference, lists of words both, as NLTK's `single_meteor_score`; 0 where nothing matches. */
export function singleMeteorScore(
  reference: readonly string[],
  hypothesis: readonly string[],
  options: NltkMeteorWeights = {},
): number {
  checkOptions("singleMeteorScore", options, weightRules);
  const { alpha = 0.9, beta = 3, gamma = 0.5, nltk = "3.8" } = options;
  return meteorOf(alignment(hypothesis, reference, nltk), reference.length, { alpha, beta, gamma });
}

/**
 * Aligns the words of a hypothesis with those of a reference as NLTK's `align_words`.
 * @returns pairs [place in the hypothesis, place in the reference], in the order of the hypothesis
 */
export function alignWords(
  hypothesis: readonly string[],
  reference: readonly string[],
  options: Pick<NltkMeteorWeights, "nltk"> = {},
): [number, number][] {
  const places = alignment(hypothesis, reference, options.nltk ?? "3.8");
  return Array.from(places, (place, i): [number, number] => [i, place]).filter(([, place]) => place !== -1);
}

function alignment(
  hypothesis: readonly string[],
  reference: readonly string[],
  nltk: NltkRelease,
): Alignment {
  const { vocabulary, aligner } = alignerOf(nltk);
  return aligner.align(vocabulary.idsOf(hypothesis), vocabulary.idsOf(reference));
}

interface Aligner {
  readonly vocabulary: NltkVocabulary;
  readonly aligner: NltkAligner;
}

/** What was learnt of words serves all metrics. Begun anew when it grows past any corpus's vocabulary. */
const aligners = new Map<boolean, Aligner>();
const MOST_WORDS = 500_000;

function alignerOf(nltk: NltkRelease): Aligner {
  const repeat = nltk === "3.8";
  let known = aligners.get(repeat);
  if (known === undefined || known.vocabulary.size > MOST_WORDS) {
    const vocabulary = new NltkVocabulary(wordNet(), { repeat });
    known = { vocabulary, aligner: new NltkAligner(vocabulary) };
    aligners.set(repeat, known);
  }
  return known;
}

function meteorOf(
  alignment: Alignment,
  referenceLength: number,
  { alpha, beta, gamma }: { alpha: number; beta: number; gamma: number },
): number {
  const { matches, chunks } = countChunks(alignment);
  if (matches === 0) return 0;
  const precision = matches / alignment.length;
  const recall = matches / referenceLength;
  const mean = (precision * recall) / (alpha * precision + (1 - alpha) * recall);
  return (1 - gamma * (chunks / matches) ** beta) * mean;
}
