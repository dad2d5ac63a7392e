import { rmSync } from "node:fs";

const removals = new Map<string, () => void>();

/**
 * Sees to it that a path is gone when this process ends, by `process.exit` in the middle of work too; not where it is killed outright.
 * @param remove deletes it, synchronously; the path with all that it holds unless told
 * @returns takes that back
 */
export function removedAtExit(
  path: string,
  remove: () => void = () => rmSync(path, { recursive: true, force: true }),
): () => void {
  if (removals.size === 0) process.on("exit", removeAll);
  removals.set(path, remove);
  return () => {
    removals.delete(path);
    if (removals.size === 0) process.off("exit", removeAll);
  };
}

function removeAll(): void {
  for (const remove of removals.values()) {
    try {
      remove();
    } catch {
      // The others go all the same.
    }
  }
}
