import { type Checkpoint, openCheckpoint } from "@vlmopt/tensor-io";

/** What `load` makes of a checkpoint; one that was opened here for it is closed where it fails. */
export async function loadFrom<T>(
  path: string | Checkpoint,
  load: (checkpoint: Checkpoint) => Promise<T>,
): Promise<T> {
  const checkpoint = typeof path === "string" ? await openCheckpoint(path) : path;
  try {
    return await load(checkpoint);
  } catch (error) {
    if (checkpoint !== path) await checkpoint.close();
    throw error;
  }
}
