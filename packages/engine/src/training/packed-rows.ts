// Rows of tokens to learn from. Questions about one picture share what they begin with, the picture above all: a row holds that once, and behind
// it each question with its answer, which see what is shared and themselves. So a picture of 600 tokens serves ten questions at the price of one.
import type { Sequence } from "../calibration/calibration-data.ts";
import type { ImageFeatures } from "../image-features.ts";

export interface PackedRow {
  readonly ids: readonly number[];
  /** Of each axis. */
  readonly positions: readonly Int32Array[];
  /** Of each token: the run that it belongs to. Tokens see those of their own run and of the run that it goes on. */
  readonly runs: readonly number[];
  /** Of each run: the one that it goes on; itself where there is none. */
  readonly parents: readonly number[];
  /** Of each token: its place in its own sequence. */
  readonly places: readonly number[];
  /** Of each token: how many tokens of its sequence see each other whatever their order. */
  readonly whole: readonly number[];
  readonly images: readonly ImageFeatures[];
  readonly imageRows: readonly number[];
  /** Tokens whose next one is learned. */
  readonly wanted: readonly number[];
}

export interface PackedRows {
  readonly learned: readonly PackedRow[];
  readonly heldOut: readonly PackedRow[];
}

/** One picture or text of eight is held out, and no more than 32. */
const HELD_OUT = { oneOf: 8, most: 32 };

/**
 * @param mostTokens of a row, where one sequence does not have more
 * @param seesPromptWhole whether tokens of prompts see those behind them: then nothing is shared
 */
export function packRows(
  sequences: readonly Sequence[],
  mostTokens: number,
  seesPromptWhole: boolean,
): PackedRows {
  const groups = new Map<unknown, Sequence[]>();
  for (const sequence of sequences) {
    if (sequence.predicted.length === 0) continue;
    const key = sequence.images[0] ?? sequence;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [sequence]);
    else group.push(sequence);
  }
  const all = [...groups.values()];
  const step = Math.max(HELD_OUT.oneOf, all.length / HELD_OUT.most);
  const before = (n: number) => Math.floor(n / step);
  const isHeldOut = (n: number) => before(n + 1) > before(n);
  const pack = (some: readonly (readonly Sequence[])[]) =>
    filled(
      some.flatMap((group) => bundlesOf(group, mostTokens, seesPromptWhole)),
      mostTokens,
    ).map((bundles) => rowOf(bundles, seesPromptWhole));
  return {
    learned: pack(all.filter((_, n) => !isHeldOut(n))),
    heldOut: pack(all.filter((_, n) => isHeldOut(n))),
  };
}

/** Tokens of the longest row. */
export function longestRow({ learned, heldOut }: PackedRows): number {
  return Math.max(...[...learned, ...heldOut].map(({ ids }) => ids.length));
}

/** Sequences that begin with the same tokens and pictures. */
interface Bundle {
  readonly shared: number;
  readonly sequences: readonly Sequence[];
  readonly tokens: number;
}

/** As many sequences a bundle as there is room for. */
function bundlesOf(group: readonly Sequence[], mostTokens: number, seesPromptWhole: boolean): Bundle[] {
  if (group.length === 1 || seesPromptWhole)
    return group.map((sequence) => ({ shared: 0, sequences: [sequence], tokens: sequence.ids.length }));
  const shared = sharedTokens(group);
  const bundles: Bundle[] = [];
  for (const sequence of group) {
    const own = sequence.ids.length - shared;
    const last = bundles.at(-1);
    if (last === undefined || last.tokens + own > mostTokens)
      bundles.push({ shared, sequences: [sequence], tokens: shared + own });
    else
      bundles[bundles.length - 1] = {
        shared,
        sequences: [...last.sequences, sequence],
        tokens: last.tokens + own,
      };
  }
  return bundles;
}

/** Tokens that all begin with; not of an answer, and none where they do not hold all pictures. */
function sharedTokens(group: readonly Sequence[]): number {
  const [first, ...others] = group as [Sequence, ...Sequence[]];
  const most = Math.min(...group.map(({ predicted, ids }) => Math.min(predicted[0] as number, ids.length)));
  let shared = 0;
  while (shared < most && others.every(({ ids }) => ids[shared] === first.ids[shared])) shared++;
  const isWithin = group.every(
    ({ imageRows, images }) =>
      (imageRows.at(-1) ?? -1) < shared && images.every((image, n) => image === first.images[n]),
  );
  return isWithin ? shared : 0;
}

/** Bundles row by row, each in the first row with room. */
function filled(bundles: readonly Bundle[], mostTokens: number): Bundle[][] {
  const rows: { bundles: Bundle[]; tokens: number }[] = [];
  for (const bundle of bundles) {
    const row = rows.find(({ tokens }) => tokens + bundle.tokens <= mostTokens);
    if (row === undefined) rows.push({ bundles: [bundle], tokens: bundle.tokens });
    else {
      row.bundles.push(bundle);
      row.tokens += bundle.tokens;
    }
  }
  return rows.map((row) => row.bundles);
}

function rowOf(bundles: readonly Bundle[], seesPromptWhole: boolean): PackedRow {
  const [ids, runs, parents, places, whole]: number[][] = [[], [], [], [], []] as never;
  const [imageRows, wanted]: number[][] = [[], []] as never;
  const images: ImageFeatures[] = [];
  const axes: number[][] = (bundles[0]?.sequences[0]?.positions ?? []).map(() => []);
  const put = (sequence: Sequence, first: number, end: number, parent: number | undefined) => {
    const run = (parents as number[]).length;
    (parents as number[]).push(parent ?? run);
    for (let place = first; place < end; place++) {
      ids?.push(sequence.ids[place] as number);
      runs?.push(run);
      places?.push(place);
      whole?.push(seesPromptWhole ? sequence.prompt : 0);
      for (const [axis, all] of axes.entries()) all.push(sequence.positions[axis]?.[place] as number);
    }
    return run;
  };
  for (const { shared, sequences } of bundles) {
    const start = (ids as number[]).length;
    const [first] = sequences as [Sequence];
    const prefix = shared === 0 ? undefined : put(first, 0, shared, undefined);
    for (const sequence of sequences) {
      const own = (ids as number[]).length;
      put(sequence, shared, sequence.ids.length, prefix);
      const rowOfPlace = (place: number) => (place < shared ? start + place : own + place - shared);
      // What follows the last token is learned too: that the answer ends.
      for (const place of [...sequence.predicted, sequence.ids.length]) wanted?.push(rowOfPlace(place - 1));
      if (shared > 0 && sequence !== first) continue;
      images.push(...sequence.images);
      imageRows?.push(...sequence.imageRows.map(rowOfPlace));
    }
  }
  return {
    ids: ids as number[],
    positions: axes.map((axis) => Int32Array.from(axis)),
    runs: runs as number[],
    parents: parents as number[],
    places: places as number[],
    whole: whole as number[],
    images,
    imageRows: imageRows as number[],
    wanted: wanted as number[],
  };
}

/**
 * What tokens of rows see, `[rows, 1, tokens, tokens]` of 0 and −∞; padding sees itself.
 * @param tokens of each row, padding counted
 * @param window tokens that a token sees, itself among them; all before it where undefined
 */
export function visibleTokens(
  rows: readonly PackedRow[],
  tokens: number,
  window: number | undefined,
): { readonly shape: readonly number[]; readonly data: Float32Array } {
  const data = new Float32Array(rows.length * tokens * tokens).fill(Number.NEGATIVE_INFINITY);
  for (const [n, { runs, parents, places, whole }] of rows.entries()) {
    for (let token = 0; token < tokens; token++) {
      const start = (n * tokens + token) * tokens;
      data[start + token] = 0;
      const run = runs[token];
      if (run === undefined) continue;
      const place = places[token] as number;
      for (let other = 0; other < runs.length; other++) {
        if (runs[other] !== run && runs[other] !== parents[run]) continue;
        const otherPlace = places[other] as number;
        const isBefore = otherPlace <= place && (window === undefined || otherPlace > place - window);
        if (isBefore || otherPlace < (whole[token] as number)) data[start + other] = 0;
      }
    }
  }
  return { shape: [rows.length, 1, tokens, tokens], data };
}
