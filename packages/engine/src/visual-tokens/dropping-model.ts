import type { DecoderSegment, ModelForward, Positions } from "@vlmopt/models";
import type { DeviceTensor, Executor, KvCache, PassInput } from "../executors/executor.ts";
import { releaseStacked } from "../image-features.ts";
import type { Model, ModelStep } from "../model.ts";
import type { PreparedOnce } from "../prepared-once.ts";
import type { DecoderMethod } from "./method.ts";
import { ascending, topScores } from "./top-scores.ts";

/** A cache of each part of the layers, which hold different numbers of tokens. */
interface SegmentedCache extends KvCache {
  readonly parts: readonly KvCache[];
  droppedBytes: number;
}

/** What a decoder in segments needs of its model. */
export interface DroppingParts {
  readonly forward: ModelForward;
  readonly executor: Executor;
  readonly prepared: PreparedOnce;
  /** Inputs of pictures, as the decoder takes them. */
  imageInputs(images: ModelStep["images"]): Promise<Record<string, PassInput>>;
}

/** Segments of a decoder for a method: no cut comes before layers that pictures join. */
export function segmentsFor({ forward }: Pick<DroppingParts, "forward">, { cuts, ranking }: DecoderMethod) {
  const layers = forward.cache.layers.length;
  const wanted = cuts(layers).map((cut) => Math.max(cut, forward.deep));
  return forward.segments([...new Set(wanted)], ranking);
}

/**
 * Drops picture tokens of a prompt inside of the decoder. Caches of later layers hold only what stayed; places are kept. Takes one sequence.
 * @param keep tokens of each picture that stay in the end
 */
export function droppingDecoder(
  { forward, executor, prepared, imageInputs }: DroppingParts,
  segments: readonly DecoderSegment[],
  method: DecoderMethod,
  keep: number,
): Pick<Model, "createCache" | "step"> {
  return {
    createCache(batch, capacity): SegmentedCache {
      if (batch !== 1)
        throw new RangeError(
          `tokens are dropped inside of the decoder for one sequence at a time, not ${batch}`,
        );
      const parts = segments.map(({ cache }) => executor.createCache(cache, 1, capacity));
      return {
        parts,
        ...{ batch, capacity, lengths: new Int32Array(1), droppedBytes: 0 },
        bytesPerToken: parts.reduce((sum, { bytesPerToken }) => sum + bytesPerToken, 0),
        release() {
          for (const part of parts) part.release?.();
        },
      };
    },
    async step({ cache, sequences, images, tokens }) {
      const whole = cache as SegmentedCache;
      const [given] = sequences as [ModelStep["sequences"][number]];
      const isPrompt = (whole.lengths[0] as number) === 0;
      let ids = Array.from(given.ids);
      let positions: Positions["axes"] = given.positions;
      let stream: DeviceTensor | undefined;
      let rows = [0];
      const pictures = images?.features.length ?? 0;
      const picturesTokens = ids.filter((id) => id === forward.imageToken).length;
      const keeps = method.keeps(keep * pictures, picturesTokens);
      for (const [n, { pass }] of segments.entries()) {
        const part = whole.parts[n] as KvCache;
        const past = part.lengths[0] as number;
        const last = ids.length - 1;
        const step = { sequences: [{ ids, positions, past }], wanted: [last], capacity: part.capacity };
        const all: Record<string, PassInput> = {
          ...forward.decoderInputs(step),
          last: { shape: [1], data: Int32Array.of(last) },
          rows: { shape: [rows.length], data: Int32Array.from(rows) },
          ...(stream === undefined ? {} : { stream }),
          ...(n === 0 ? await imageInputs(images) : {}),
        };
        if (tokens !== undefined) all.ids = { ...tokens, shape: [1, 1] };
        const inputs = Object.fromEntries(
          Object.keys(pass.inputs).map((name) => [name, all[name] as PassInput]),
        );
        const found = await (await prepared(pass)).run(inputs, { cache: part, added: [ids.length] });
        if (n === 0) releaseStacked(forward, images?.features ?? [], inputs);
        stream?.release?.();
        if (found.logits !== undefined) {
          whole.lengths[0] = (whole.lengths[0] as number) + given.ids.length;
          return found.logits;
        }
        stream = found.stream as DeviceTensor;
        const scores = found.scores as DeviceTensor;
        if (isPrompt && pictures > 0) {
          rows = goingOn(await scores.read(), ids, forward.imageToken, keeps[n] as number);
          const later = whole.parts.slice(n + 1).reduce((sum, { bytesPerToken }) => sum + bytesPerToken, 0);
          whole.droppedBytes += (ids.length - rows.length) * later;
          ids = rows.map((row) => ids[row] as number);
          positions = positions.map((axis) => Int32Array.from(rows, (row) => axis[row] as number));
        } else rows = [...ids.keys()];
        scores.release?.();
      }
      throw new TypeError("the last segment gave no logits");
    },
  };
}

/** All text, and the picture tokens of most attention. */
function goingOn(
  scores: Float32Array,
  ids: readonly number[],
  imageToken: number | undefined,
  keep: number,
): number[] {
  const places = [...ids.keys()];
  const pictures = places.filter((place) => ids[place] === imageToken);
  return ascending([
    ...places.filter((place) => ids[place] !== imageToken),
    ...topScores(scores, keep, pictures),
  ]);
}
