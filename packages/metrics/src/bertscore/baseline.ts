import type { Encoder } from "./encoder.ts";

/** Mean scores of unrelated sentences; rescaling makes them 0. */
export interface Baseline {
  readonly precision: number;
  readonly recall: number;
  readonly f1: number;
}

/** Baselines that bert_score publishes, by `model_Llayer`. */
const published: Readonly<Record<string, Baseline>> = {
  "roberta-large_L17": { precision: 0.83150584, recall: 0.8314941, f1: 0.83122575 },
};

/** @throws where none is built in */
export function publishedBaseline({ name, layer }: Pick<Encoder, "name" | "layer">): Baseline {
  const baseline = published[`${name}_L${layer}`];
  if (baseline !== undefined) return baseline;
  throw new Error(
    `no baseline is built in for layer ${layer} of ${name}; give the numbers, or read bert_score's file with readBaselines`,
  );
}

/**
 * Reads a baseline file of bert_score: a head `LAYER,P,R,F` and a row a layer.
 * @returns baselines by layer
 * @throws {Error} where a row is not four numbers
 */
export function readBaselines(text: string): ReadonlyMap<number, Baseline> {
  const rows = new Map<number, Baseline>();
  for (const [i, line] of text.split(/\r?\n/).entries()) {
    if (i === 0 || line.trim() === "") continue;
    const cells = line.split(/[,\t]/);
    const [layer = Number.NaN, precision = 0, recall = 0, f1 = 0] = cells.map(Number);
    if (cells.length !== 4 || ![layer, precision, recall, f1].every(Number.isFinite))
      throw new Error(`line ${i + 1} of the baselines is not a layer and three numbers: ${line}`);
    rows.set(layer, { precision, recall, f1 });
  }
  return rows;
}
