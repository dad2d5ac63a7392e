import type { Checkpoint } from "@vlmopt/tensor-io";
import type { Executor } from "./executors/executor.ts";
import type { DecodeImage } from "./images/image-input.ts";
import { releaseOnce } from "./release-once.ts";

/** What Node and browsers do each in a way of their own. */
export interface Platform {
  open(location: string): Promise<Checkpoint>;
  readonly decodeImage: DecodeImage;
  /** For encoders and scorers that were given none. */
  executor(): Promise<Executor>;
}

/** What `load` makes of a checkpoint; one that was opened here is closed where that fails, and where the result is released. */
export async function loadFrom<T extends { release(): Promise<void> }>(
  { open }: Platform,
  location: string | Checkpoint,
  load: (checkpoint: Checkpoint) => Promise<T>,
): Promise<T> {
  const checkpoint = typeof location === "string" ? await open(location) : location;
  const close = async () => {
    if (checkpoint !== location) await checkpoint.close();
  };
  try {
    const loaded = await load(checkpoint);
    const release = releaseOnce(async () => {
      await loaded.release();
      await close();
    });
    return { ...loaded, release };
  } catch (error) {
    await close();
    throw error;
  }
}
