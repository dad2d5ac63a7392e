import { CheckpointError } from "../errors.ts";
import { compareUtf8 } from "./layout.ts";

/** What savers call the index of a sharded checkpoint, and the weights of one that is not. */
export const INDEX_NAME = "model.safetensors.index.json";
export const WEIGHTS_NAME = "model.safetensors";

/** `model.safetensors.index.json`: which file holds which tensor. */
export interface ShardIndex {
  /** Tensor name → path of its file, relative to the index. */
  readonly weightMap: ReadonlyMap<string, string>;
}

/**
 * Parses a shard index. Paths that are absolute or leave the folder are refused here, before any is opened.
 * @throws {CheckpointError}
 */
export function parseShardIndex(bytes: Uint8Array, file: string): ShardIndex {
  let json: unknown;
  try {
    json = JSON.parse(new TextDecoder("utf-8", { fatal: true }).decode(bytes));
  } catch (error) {
    throw new CheckpointError("invalid-index", `is not valid JSON: ${(error as Error).message}`, { file });
  }
  const map = isRecord(json) ? json.weight_map : undefined;
  if (!isRecord(map)) {
    throw new CheckpointError("invalid-index", 'has no "weight_map" from tensor names to file names', {
      file,
    });
  }
  const weightMap = new Map<string, string>();
  for (const [tensor, path] of Object.entries(map)) {
    if (typeof path !== "string" || path === "") {
      throw new CheckpointError("invalid-index", "its weight_map entry is not the name of a file", {
        file,
        tensor,
      });
    }
    if (leavesFolder(path)) {
      throw new CheckpointError(
        "path-escapes-folder",
        `its weight_map entry ${JSON.stringify(path)} leaves the checkpoint's folder`,
        { file, tensor },
      );
    }
    weightMap.set(tensor, path);
  }
  return { weightMap };
}

/** The text of an index, as `save_pretrained` writes it: sorted, indented by two, so that it diffs well. */
export function formatShardIndex(weightMap: ReadonlyMap<string, string>, totalSize: number): string {
  const names = [...weightMap.keys()].sort(compareUtf8);
  const entries = names.map((name) => `    ${JSON.stringify(name)}: ${JSON.stringify(weightMap.get(name))}`);
  return `{\n  "metadata": {\n    "total_size": ${totalSize}\n  },\n  "weight_map": {\n${entries.join(",\n")}\n  }\n}\n`;
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** By the rules of POSIX, Windows and URLs alike, so that a checkpoint is safe wherever it is opened. */
function leavesFolder(path: string): boolean {
  return (
    /^([/\\]|[A-Za-z][A-Za-z0-9+.-]*:)/.test(path) ||
    /[\0?#]|%2e|%2f|%5c/i.test(path) ||
    path.split(/[/\\]/).includes("..")
  );
}
