import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { mkdir, readdir, readFile, realpath, rename, stat, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { pipeline } from "node:stream/promises";
import { BenchError } from "../bench-error.ts";

/**
 * SHA-256 over names and contents of a checkpoint's files, so that a model is known wherever it lies. Files that have not changed since
 * (path, size, time) are not read again.
 * @param cache folder that remembers hashes of files
 */
export async function checkpointHash(path: string, cache: string, signal?: AbortSignal): Promise<string> {
  // A vision part beside a GGUF file may be its own.
  const isGguf = path.endsWith(".gguf");
  const folder = isGguf ? dirname(path) : path;
  const entries = await readdir(folder).catch((error: NodeJS.ErrnoException) => {
    throw new BenchError(
      `${folder}: ${error.code === "ENOENT" ? "no such folder" : error.message}`,
      "name the folder of a checkpoint",
    );
  });
  const pattern = isGguf ? /^mmproj.*\.gguf$/ : /\.(safetensors|gguf|json|jinja|model|txt)$/;
  const names = entries.filter((name) => pattern.test(name) || (isGguf && name === basename(path))).sort();
  if (!names.some((name) => /\.(safetensors|gguf)$/.test(name)))
    throw new BenchError(`${path}: holds no safetensors and no GGUF file`, "name the folder of a checkpoint");
  const hash = createHash("sha256");
  for (const name of names) hash.update(`${name}\0${await fileHash(join(folder, name), cache, signal)}\0`);
  return hash.digest("hex");
}

async function fileHash(path: string, cache: string, signal: AbortSignal | undefined): Promise<string> {
  const place = await realpath(path);
  const { size, mtimeNs } = await stat(place, { bigint: true });
  const remembered = join(cache, textHash(`${place}\0${size}\0${mtimeNs}`));
  const known = await readFile(remembered, "utf8").catch(() => undefined);
  if (known?.length === 64) return known;
  const hash = createHash("sha256");
  await pipeline(createReadStream(place, { highWaterMark: 1 << 20 }), hash, {
    ...(signal === undefined ? {} : { signal }),
  });
  const digest = hash.digest("hex");
  await mkdir(cache, { recursive: true });
  await writeFile(`${remembered}.${process.pid}`, digest);
  await rename(`${remembered}.${process.pid}`, remembered);
  return digest;
}

/** SHA-256 of a text, in hexadecimal. */
export function textHash(text: string): string {
  return createHash("sha256").update(text).digest("hex");
}
