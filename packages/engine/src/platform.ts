import type { Checkpoint } from "@vlmopt/tensor-io";
import type { Executor } from "./executors/executor.ts";
import type { DecodeImage } from "./images/image-input.ts";

/** What Node and browsers do each in a way of their own. */
export interface Platform {
  open(location: string): Promise<Checkpoint>;
  readonly decodeImage: DecodeImage;
  /** For encoders and scorers that were given none. */
  executor(): Promise<Executor>;
}

/** What `load` makes of a checkpoint; one that was opened here for it is closed where it fails. */
export async function loadFrom<T>(
  { open }: Platform,
  location: string | Checkpoint,
  load: (checkpoint: Checkpoint) => Promise<T>,
): Promise<T> {
  const checkpoint = typeof location === "string" ? await open(location) : location;
  try {
    return await load(checkpoint);
  } catch (error) {
    if (checkpoint !== location) await checkpoint.close();
    throw error;
  }
}
