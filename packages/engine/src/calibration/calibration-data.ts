import { ConfigError } from "@vlmopt/models";
import type { Checkpoint } from "@vlmopt/tensor-io";
import type { ImageFeatures, ImageSight } from "../image-features.ts";
import type { DecodeImage } from "../images/image-input.ts";
import type { Model } from "../model.ts";
import { promptReader, type Request } from "../prompt-reader.ts";
import { loadTokenizer, type Tokenizer } from "../text/tokenizer.ts";

/** A question with pictures and, behind it, its answer, as text or as tokens; or the tokens of a text. */
export type CalibrationItem =
  | (Request & { readonly answer?: string | readonly number[] })
  | { readonly ids: ArrayLike<number> };

export type CalibrationData = Iterable<CalibrationItem> | AsyncIterable<CalibrationItem>;

/** What a model reads of an item. */
export interface Sequence {
  readonly ids: readonly number[];
  /** Of each axis. */
  readonly positions: readonly Int32Array[];
  /** Tokens before the answer; all of them where there is none. */
  readonly prompt: number;
  readonly images: readonly ImageFeatures[];
  /** Tokens that features take the place of. */
  readonly imageRows: readonly number[];
  /** Tokens whose likelihood counts: of the answer where there is one, else all but the first and image tokens. */
  readonly predicted: readonly number[];
  readonly heldOut: boolean;
}

export interface DataOptions {
  /** Tokens that are read of each item; all of them unless told. */
  readonly maxTokens?: number;
  /** Items are read until they have so many tokens together; all of them unless told. */
  readonly enoughTokens?: number;
  readonly signal?: AbortSignal;
}

/** One sequence of eight is held out, and no more than sixteen: errors are known well enough, and what is held out fits nothing. */
const HELD_OUT = { oneOf: 8, most: 16 };

/**
 * Reads data for a model: pictures are seen, once.
 * @throws {RangeError} where there is none, an item has no tokens, or tokens that the model does not have
 * @throws {ConfigError} where a model that sees no pictures is given some
 */
export async function readCalibrationData(
  checkpoint: Checkpoint,
  model: Pick<Model, "description" | "forward">,
  sight: ImageSight,
  decodeImage: DecodeImage,
  data: CalibrationData,
  { maxTokens = Number.POSITIVE_INFINITY, enoughTokens = Number.POSITIVE_INFINITY, signal }: DataOptions,
): Promise<readonly Sequence[]> {
  const { description, forward } = model;
  const { imageToken } = forward;
  let reading: Promise<{ tokenizer: Tokenizer; read: Awaited<ReturnType<typeof promptReader>> }> | undefined;
  const reader = async () => {
    const tokenizer = await loadTokenizer(checkpoint);
    const read = await promptReader(checkpoint, tokenizer, { ...model, see: sight }, decodeImage);
    return { tokenizer, read };
  };
  const sequences: Omit<Sequence, "heldOut">[] = [];
  let tokens = 0;
  for await (const item of data) {
    signal?.throwIfAborted();
    const name = `calibration item ${sequences.length + 1}`;
    const { ids, prompt, images, grids } = await tokensOf(item);
    if (ids.length === 0) throw new RangeError(`${name} has no tokens: leave it out`);
    const kept = Math.min(ids.length, maxTokens);
    const isImage = (row: number) => ids[row] === imageToken && imageToken !== undefined;
    const imageRows = [...ids.keys()].filter(isImage);
    const features = images.reduce((sum, { rows }) => sum + rows, 0);
    if (imageRows.length !== features) {
      throw new RangeError(
        `${name} has ${imageRows.length} image tokens, but its ${images.length} pictures have ${features} features`,
      );
    }
    if ((imageRows.at(-1) ?? -1) >= kept) {
      throw new RangeError(
        `${name} has pictures up to token ${imageRows.at(-1)}, behind the ${kept} that are read`,
      );
    }
    if (kept > forward.maxPositions) {
      throw new RangeError(
        `${name} has ${kept} tokens, and the model places for ${forward.maxPositions}: read fewer of each item`,
      );
    }
    const unknown = ids.find((id) => !(id >= 0 && id < description.languageModel.vocabSize));
    if (unknown !== undefined) {
      throw new RangeError(
        `${name} has the token ${unknown}, and the model's ${description.languageModel.vocabSize} begin with 0`,
      );
    }
    const { axes } = forward.promptPositions(ids, grids);
    const first = prompt < kept ? prompt : 1;
    sequences.push({
      ids: ids.slice(0, kept),
      positions: axes.map((axis) => axis.slice(0, kept)),
      prompt: Math.min(prompt, kept),
      images,
      imageRows,
      predicted: Array.from({ length: Math.max(0, kept - first) }, (_, i) => first + i).filter(
        (row) => !isImage(row),
      ),
    });
    tokens += kept;
    if (tokens >= enoughTokens) break;
  }
  if (sequences.length === 0) {
    throw new RangeError("there is no calibration data: give at least one text or question");
  }
  const step = Math.max(HELD_OUT.oneOf, sequences.length / HELD_OUT.most);
  const before = (n: number) => Math.floor(n / step);
  return sequences.map((sequence, n) => ({ ...sequence, heldOut: before(n + 1) > before(n) }));

  async function tokensOf(item: CalibrationItem) {
    if ("ids" in item) {
      return { ids: Array.from(item.ids), prompt: item.ids.length, images: [], grids: [] };
    }
    reading ??= reader();
    const { tokenizer, read } = await reading;
    const { answer = [], ...request } = item;
    if ((request.images ?? []).length > 0 && forward.imageEncoder === undefined)
      throw new ConfigError(`a ${description.modelType} sees no pictures: leave them out`);
    const { prompt } = await read(request);
    const behind = typeof answer === "string" ? tokenizer.encode(answer, false) : answer;
    return {
      ids: [...prompt.ids, ...behind],
      prompt: prompt.ids.length,
      images: prompt.images.map(({ features }) => features),
      grids: prompt.images.flatMap(({ grid }) => (grid === undefined ? [] : [grid])),
    };
  }
}

/** Sequences of one length that are run together, none padded. */
export interface Batch {
  readonly sequences: readonly Sequence[];
  /** Of each sequence. */
  readonly tokens: number;
  readonly heldOut: boolean;
}

/** @param batchTokens that are run at once, where one sequence does not have more */
export function batchesOf(sequences: readonly Sequence[], batchTokens: number): Batch[] {
  const groups = new Map<string, Sequence[]>();
  for (const sequence of sequences) {
    const key = `${sequence.heldOut} ${sequence.ids.length}`;
    const group = groups.get(key);
    if (group === undefined) groups.set(key, [sequence]);
    else group.push(sequence);
  }
  return [...groups.values()].flatMap((group) => {
    const [{ ids, heldOut }] = group as [Sequence];
    const most = Math.max(1, Math.floor(batchTokens / ids.length));
    const count = Math.ceil(group.length / Math.ceil(group.length / most));
    return Array.from({ length: Math.ceil(group.length / count) }, (_, n) => ({
      sequences: group.slice(n * count, (n + 1) * count),
      tokens: ids.length,
      heldOut,
    }));
  });
}
