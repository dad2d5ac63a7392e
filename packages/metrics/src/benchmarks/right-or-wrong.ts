import { type Metric, meanMetric } from "../metric.ts";
import { normalised } from "../reading/mmmu.ts";
import { pythonFloat } from "../reading/python-number.ts";
import { signature } from "../signature.ts";
import { strip } from "../text/python-classes.ts";
import { unpackUnit } from "./unit.ts";

function rightOrWrong(
  name: string,
  parts: Readonly<Record<string, string>>,
  isRight: (prediction: string, reference: string) => boolean,
): Metric {
  return meanMetric(name, [name], signature(name, parts), (prediction, references) =>
    Float64Array.of(Number(references.some((reference) => isRight(prediction, reference)))),
  );
}

/** Whether texts are the same but for case and ASCII punctuation, as lmms-eval's exact match of GQA and AI2D. */
export function exactMatchLmms(): Metric {
  const plain = (text: string) => text.toLowerCase().replace(/[!-/:-@[-`{-~]/g, "");
  return rightOrWrong("exact-match-lmms", { norm: "lower-no-punctuation" }, (a, b) => plain(a) === plain(b));
}

/** Whether letters are the same, small or capital. */
export function letterMatch(): Metric {
  const plain = (text: string) => strip(text.toLowerCase());
  return rightOrWrong("letter-match", {}, (a, b) => plain(a) === plain(b));
}

/** Relative error that numbers may have. */
const TOLERANCE = 0.05;

/** Relaxed accuracy (Methani et al. 2020) of ChartQA: numbers within 5 %, texts the same but for case. */
export function relaxedAccuracy(): Metric {
  return rightOrWrong("relaxed-accuracy", { tolerance: String(TOLERANCE) }, (prediction, reference) => {
    const [own, right] = [percentOrNumber(prediction), percentOrNumber(reference)];
    if (own === undefined || right === undefined || right === 0)
      return prediction.toLowerCase() === reference.toLowerCase();
    return Math.abs(own - right) / Math.abs(right) <= TOLERANCE;
  });
}

function percentOrNumber(text: string): number | undefined {
  if (!text.endsWith("%")) return pythonFloat(text);
  const number = pythonFloat(text.replace(/%+$/, ""));
  return number === undefined ? undefined : number / 100;
}

/** Whether the reference stands in the prediction, both as they are. OCRBench counts such answers. */
export function containsAnswer(): Metric {
  const figures = ["ocrbench-accuracy", "ocrbench"];
  const score = signature("ocrbench", {});
  const metric = meanMetric("ocrbench", figures, score, (prediction, references) => {
    const right = Number(references.some((reference) => prediction.includes(reference)));
    return Float64Array.of(right, right);
  });
  const { mean: _, ...others } = metric;
  const aggregate: Metric["aggregate"] = ([right = 0], count) => ({
    "ocrbench-accuracy": count === 0 ? 0 : right / count,
    ocrbench: right,
  });
  return {
    ...others,
    aggregate,
    corpus(predictions, references) {
      const result = metric.corpus(predictions, references);
      const sum = result.statistics.reduce((total, [right = 0]) => total + right, 0);
      return {
        ...result,
        aggregate: aggregate(Float64Array.of(sum, sum), result.statistics.length),
        items: result.items.map((item) => ({ "ocrbench-accuracy": item["ocrbench-accuracy"] ?? 0 })),
      };
    },
  };
}

/** MMMU (Yue et al. 2024): the letter, or for open questions one of the answer's candidates (see `mmmu-open`). */
export function mmmu(): Metric {
  return rightOrWrong("mmmu", { variant: "lmms-eval" }, (prediction, reference) => {
    const candidates = candidatesIn(prediction);
    if (candidates === undefined) return prediction === reference;
    const right = normalised(reference);
    return candidates.some((candidate) =>
      typeof candidate === "string"
        ? right.some((answer) => typeof answer === "string" && candidate.includes(answer))
        : right.includes(candidate),
    );
  });
}

function candidatesIn(prediction: string): readonly (string | number)[] | undefined {
  if (!prediction.startsWith("[")) return undefined;
  try {
    return JSON.parse(prediction) as (string | number)[];
  } catch {
    return undefined;
  }
}

/**
 * MMBench's circular evaluation (Liu et al. 2023): a unit is a question with its choices in all rounds, all of which must be right. A reference is the
 * category, then the right letters: `["logic","A","B"]`.
 */
export function circular(): Metric {
  return rightOrWrong("circular", {}, (prediction, reference) => {
    const said = unpackUnit(prediction, "circular");
    const [, ...right] = unpackUnit(reference, "circular");
    return right.every((letter, i) => said[i] === letter);
  });
}
