import { type ByteSource, type Checkpoint, openSources } from "@vlmopt/tensor-io";

/**
 * A checkpoint of files that are at hand as blobs; their bytes are read when they are asked for.
 * @param files by their names, without folders
 * @throws {Error} where none of them holds weights, or config.json is not among them
 */
export async function filesCheckpoint(
  files: ReadonlyMap<string, Blob>,
  location: string,
): Promise<Checkpoint> {
  const weights = [...files].filter(([name]) => name.endsWith(".safetensors"));
  if (weights.length === 0)
    throw new Error("There are no safetensors among these files: choose all files of a model.");
  if (!files.has("config.json"))
    throw new Error("config.json is missing: choose all files of the model's folder.");
  const checkpoint = await openSources(
    weights.sort(([a], [b]) => a.localeCompare(b)).map(([name, blob]) => blobSource(name, blob)),
    location,
  );
  return {
    ...checkpoint,
    async readSibling(name) {
      const blob = files.get(name);
      return blob === undefined ? undefined : new Uint8Array(await blob.arrayBuffer());
    },
  };
}

function blobSource(name: string, blob: Blob): ByteSource {
  return {
    name,
    size: blob.size,
    mergeGap: 0,
    read: async (offset, length) => new Uint8Array(await blob.slice(offset, offset + length).arrayBuffer()),
    close: async () => {},
  };
}

/** Names of a model's small files; which of them there are depends on the model. */
const BESIDE = [
  ...[
    "config.json",
    "generation_config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "chat_template.jinja",
  ],
  ...["preprocessor_config.json", "processor_config.json"],
];

/** Fetches the model that comes with the page, all of it, with the share that has arrived. */
export async function fetchModel(
  base: string,
  onProgress: (share: number) => void,
): Promise<Map<string, Blob>> {
  const files = new Map<string, Blob>();
  for (const name of BESIDE) {
    const response = await fetch(`${base}/${name}`);
    if (response.ok) files.set(name, await response.blob());
  }
  files.set("model.safetensors", await fetchWhole(`${base}/model.safetensors`, onProgress));
  return files;
}

async function fetchWhole(url: string, onProgress: (share: number) => void): Promise<Blob> {
  const response = await fetch(url);
  if (!response.ok || response.body === null) throw new Error(`${url} answered ${response.status}.`);
  const total = Number(response.headers.get("content-length"));
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let arrived = 0;
  const reader = response.body.getReader();
  for (let part = await reader.read(); !part.done; part = await reader.read()) {
    parts.push(part.value);
    arrived += part.value.byteLength;
    if (total > 0) onProgress(Math.min(1, arrived / total));
  }
  return new Blob(parts);
}
