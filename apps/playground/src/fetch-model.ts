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
