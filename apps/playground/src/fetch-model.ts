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
export async function fetchModel(base: string, onProgress: (share: number) => void): Promise<File[]> {
  const files: File[] = [];
  for (const name of BESIDE) {
    const response = await fetch(`${base}/${name}`);
    if (response.ok) files.push(new File([await response.blob()], name));
  }
  const weights = "model.safetensors";
  files.push(new File(await fetchWhole(`${base}/${weights}`, onProgress), weights));
  return files;
}

async function fetchWhole(url: string, onProgress: (share: number) => void): Promise<BlobPart[]> {
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
  return parts;
}
