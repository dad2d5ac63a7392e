import type { PictureTokens, TokenLayout } from "@vlmopt/models";
import type { DeviceTensor } from "../executors/executor.ts";
import { type Cosines, cosinesOf } from "./cosines.ts";
import type { PictureEvidence } from "./method.ts";

/**
 * What an encoder gave besides features, as methods take it.
 * @param candidates tokens that are places of the picture
 * @param relevance of patches
 */
export async function readEvidence(
  tensors: Readonly<Record<string, DeviceTensor>>,
  { classToken }: Pick<PictureTokens, "classToken">,
  { patches, grids }: TokenLayout,
  candidates: readonly number[],
  relevance: Float64Array | undefined,
): Promise<PictureEvidence> {
  const onHost = Object.entries(tensors).filter(([name]) => /Products$|Attention$/.test(name));
  const read = await Promise.all(
    onHost.map(async ([name, tensor]) => [name, { shape: tensor.shape, data: await tensor.read() }] as const),
  );
  const found = new Map(read);
  const named = (name: string) => {
    const tensor = found.get(name);
    if (tensor === undefined) throw new TypeError(`the encoder was not asked for ${name}`);
    return tensor;
  };
  const patchesOf = (candidate: number) => patches[candidate] as readonly number[];
  const cosines = new Map<string, Cosines>();
  /** Tokens of several patches have their mean. */
  const ofPatches = (value: (patch: number) => number) =>
    Float64Array.from(candidates, (candidate) => {
      const own = patchesOf(candidate);
      return own.reduce((sum, patch) => sum + value(patch), 0) / own.length;
    });
  const places = new Map(candidates.map((candidate, place) => [candidate, place]));
  return {
    count: candidates.length,
    grids: grids.map(({ tokens, width }) => ({
      tokens: tokens.map((token) => places.get(token) as number),
      width,
    })),
    cosines(name) {
      const { shape, data } = named(name);
      const rows =
        name === "featureProducts" ? candidates : candidates.map((token) => patchesOf(token)[0] as number);
      const made = cosines.get(name) ?? cosinesOf(data, shape.at(-1) as number, rows);
      cosines.set(name, made);
      return made;
    },
    attention(name) {
      const { shape, data } = named(name);
      const seen = shape.at(-1) as number;
      const first = classToken ? 1 : 0;
      const each = seen - first;
      return ofPatches((patch) => data[Math.floor(patch / each) * seen + first + (patch % each)] as number);
    },
    relevance: relevance && ofPatches((patch) => relevance[patch] as number),
  };
}
