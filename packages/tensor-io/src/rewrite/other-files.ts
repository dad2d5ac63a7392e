import { readdir, stat } from "node:fs/promises";
import { join } from "node:path";
import { RECORD_NAME } from "@vlmopt/files";
import type { Checkpoint } from "../checkpoint/checkpoint.ts";
import { type ByteSource, memorySource } from "../source/byte-source.ts";
import { fileSource } from "../source/file-source.ts";

/** A file of a model's folder that holds no weights of ours. */
export interface OtherFile {
  /** Relative to the folder, with `/`. */
  readonly name: string;
  readonly size: number;
  /** The caller closes what this opens. */
  open(): Promise<ByteSource>;
}

/** Weights, in this format or another: beside rewritten ones they would be stale. */
const WEIGHTS =
  /\.(safetensors|bin|pt|pth|ckpt|gguf|ggml|h5|msgpack|onnx|onnx_data|ot|tflite|npz)$|\.(safetensors|bin|h5)\.index\.json$/i;

/** What model repositories keep beside the weights, for sources that cannot be listed. */
const USUAL_NAMES = [
  "added_tokens.json",
  "chat_template.jinja",
  "chat_template.json",
  "config.json",
  "generation_config.json",
  "merges.txt",
  "preprocessor_config.json",
  "processor_config.json",
  "special_tokens_map.json",
  "tokenizer.json",
  "tokenizer.model",
  "tokenizer_config.json",
  "video_preprocessor_config.json",
  "vlmopt.json",
  "vocab.json",
];

/**
 * The files that go along with the weights: those of the source's folder, its subfolders included, and those given instead of or beside
 * them. Hidden files stay behind.
 */
export async function otherFiles(
  checkpoint: Checkpoint,
  given: Readonly<Record<string, string | Uint8Array | null>>,
): Promise<OtherFile[]> {
  const names = checkpoint.folder === undefined ? [] : await listFiles(checkpoint.folder, "");
  const copied = names.filter((name) => !WEIGHTS.test(name) && !Object.hasOwn(given, name));
  const files: OtherFile[] = [];
  for (const name of copied) {
    const path = join(checkpoint.folder ?? "", name);
    files.push({ name, size: (await stat(path)).size, open: () => fileSource(path) });
  }
  if (checkpoint.folder === undefined) {
    for (const name of USUAL_NAMES.filter((usual) => !Object.hasOwn(given, usual))) {
      const bytes = await checkpoint.readSibling(name);
      if (bytes !== undefined) files.push(inMemory(name, bytes));
    }
  }
  for (const [name, content] of Object.entries(given)) {
    if (content === null) continue;
    files.push(inMemory(name, typeof content === "string" ? new TextEncoder().encode(content) : content));
  }
  return files.sort((a, b) => (a.name < b.name ? -1 : 1));
}

function inMemory(name: string, bytes: Uint8Array): OtherFile {
  return { name, size: bytes.byteLength, open: async () => memorySource(bytes, name) };
}

async function listFiles(folder: string, prefix: string): Promise<string[]> {
  const names: string[] = [];
  const entries = await readdir(join(folder, prefix), { withFileTypes: true });
  // An output of its own, which was written into the model's folder, is no part of it.
  if (prefix !== "" && entries.some(({ name }) => name === RECORD_NAME)) return [];
  for (const entry of entries) {
    if (entry.name.startsWith(".")) continue;
    const name = prefix + entry.name;
    if (entry.isDirectory()) names.push(...(await listFiles(folder, `${name}/`)));
    // Links are followed: in the hub's cache every file is one.
    else if (entry.isFile() || entry.isSymbolicLink()) names.push(name);
  }
  return names;
}
