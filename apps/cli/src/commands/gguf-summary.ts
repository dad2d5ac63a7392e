import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { type GgufTensorInfo, readGguf } from "@vlmopt/quant";
import { elementCount, fileSource } from "@vlmopt/tensor-io";

/** Contents of a GGUF file. */
export interface GgufSummary {
  readonly file: string;
  readonly size: number;
  readonly version: number;
  readonly architecture: string | undefined;
  readonly tensors: readonly GgufTensorInfo[];
  /** By type, the most bytes first. */
  readonly types: readonly {
    readonly name: string;
    readonly tensors: number;
    readonly parameters: number;
    readonly bytes: number;
  }[];
}

/** The GGUF files that a path names: itself, or those of a folder that holds no safetensors. */
export async function ggufFiles(path: string): Promise<readonly string[]> {
  if (/^https?:/.test(path)) return [];
  if (path.endsWith(".gguf")) return [path];
  const names = await readdir(path).catch(() => []);
  if (names.some((name) => name.includes(".safetensors"))) return [];
  return names
    .filter((name) => name.endsWith(".gguf"))
    .sort()
    .map((name) => join(path, name));
}

/** @throws {GgufError | SourceError} where the file is none, or cannot be read */
export async function summarizeGguf(file: string): Promise<GgufSummary> {
  const source = await fileSource(file);
  try {
    const { version, metadata, tensors } = await readGguf(source);
    const architecture = metadata.get("general.architecture");
    const types = new Map<string, { name: string; tensors: number; parameters: number; bytes: number }>();
    for (const { type, shape, byteLength } of tensors.values()) {
      const group = types.get(type) ?? { name: type, tensors: 0, parameters: 0, bytes: 0 };
      group.tensors++;
      group.parameters += elementCount(shape);
      group.bytes += byteLength;
      types.set(type, group);
    }
    return {
      file,
      size: source.size,
      version,
      architecture: architecture?.type === "string" ? architecture.value : undefined,
      tensors: [...tensors.values()],
      types: [...types.values()].sort((a, b) => b.bytes - a.bytes),
    };
  } finally {
    await source.close();
  }
}
