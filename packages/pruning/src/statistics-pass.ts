import {
  type Checkpoint,
  drop,
  memorySink,
  memorySource,
  openSources,
  type RewriteOptions,
  readTensor,
  rewriteCheckpoint,
  type StageReference,
  type TensorSpec,
  tensorNamed,
} from "@vlmopt/tensor-io";

/** What is gathered of a tensor: a stage that gives F64 figures of the shape. */
export interface Gathering {
  readonly stage: StageReference;
  readonly shape: readonly number[];
}

export type PassOptions = Pick<RewriteOptions, "workers" | "signal" | "onProgress">;

/**
 * Reads the tensors of `gatherings` once and returns the figures of each. A pass that keeps nothing of a checkpoint but statistics is a
 * rewrite into memory.
 */
export async function gatherStatistics(
  checkpoint: Checkpoint,
  gatherings: ReadonlyMap<string, Gathering>,
  options: PassOptions,
): Promise<ReadonlyMap<string, Float64Array>> {
  for (const name of gatherings.keys()) tensorNamed(checkpoint, name);
  const figures = new Map<string, Float64Array>();
  if (gatherings.size === 0) return figures;
  const sink = memorySink();
  const edit = ({ name }: TensorSpec) => {
    const gathering = gatherings.get(name);
    if (gathering === undefined) return drop();
    return { stage: gathering.stage, outputs: [{ name, dtype: "F64" as const, shape: gathering.shape }] };
  };
  await rewriteCheckpoint(checkpoint, edit, sink, options);
  const result = await openSources([...sink.files].map(([name, bytes]) => memorySource(bytes, name)));
  for (const name of gatherings.keys()) {
    figures.set(name, new Float64Array((await readTensor(result, name)).slice().buffer));
  }
  return figures;
}
