import { readdir } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import {
  type ByteSource,
  type Checkpoint,
  fileSource,
  type HttpOptions,
  httpSource,
  openCheckpoint,
} from "@vlmopt/tensor-io";
import { ggufCheckpoint } from "./gguf-checkpoint.ts";
import { GgufError } from "./gguf-error.ts";

/** A part of a model in several files. */
const PART = /^(.*)-(\d{5})-of-(\d{5})\.gguf$/;

/**
 * Opens a model: safetensors as `openCheckpoint` does, or GGUF as `ggufCheckpoint`. A `.gguf` file, or the URL of one, is a text model; where one
 * `mmproj…` file lies beside it, that is its vision part. A folder without safetensors is opened by the one text model that it holds.
 * @throws {CheckpointError | SourceError | GgufError} where the files are bad, missing, or not understood
 */
export async function openCheckpointOrGguf(
  location: string | URL,
  options: HttpOptions = {},
): Promise<Checkpoint> {
  const place = String(location);
  if (/^https?:\/\//.test(place)) {
    return new URL(place).pathname.endsWith(".gguf")
      ? ggufCheckpoint([await httpSource(new URL(place), options)], place)
      : openCheckpoint(location, options);
  }
  const paths = await ggufPaths(place);
  if (paths === undefined) return openCheckpoint(location, options);
  const sources: ByteSource[] = [];
  try {
    for (const path of paths) sources.push(await fileSource(path));
  } catch (error) {
    await Promise.all(sources.map((source) => source.close()));
    throw error;
  }
  return ggufCheckpoint(sources, place);
}

/** The GGUF files of the model that a path names, undefined where it names none of that kind. */
async function ggufPaths(place: string): Promise<readonly string[] | undefined> {
  const isFile = place.endsWith(".gguf");
  const folder = isFile ? dirname(place) : place;
  const names = (await readdir(folder).catch(() => [])).sort();
  if (!isFile && names.some((name) => name.includes(".safetensors"))) return undefined;
  const all = names.filter((name) => name.endsWith(".gguf"));
  if (!isFile && all.length === 0) return undefined;
  const isVision = (name: string) => name.startsWith("mmproj");
  const vision = all.filter(isVision);
  const texts = isFile ? [basename(place)] : all.filter((name) => !isVision(name) && isFirst(name));
  const [text, ...others] = texts;
  if (text === undefined || others.length > 0) {
    throw new GgufError(
      `${place}: there are ${texts.length} text models in GGUF files${others.length > 0 ? `: ${texts.join(", ")}` : ", and a vision part alone"}`,
      others.length > 0 ? "name one of the files" : "put the text model's file beside it",
    );
  }
  const seeing = isVision(text) || vision.length !== 1 ? [] : vision;
  return [...partsOf(text, all), ...seeing].map((name) => join(folder, name));
}

function isFirst(name: string): boolean {
  return Number(PART.exec(name)?.[2] ?? 1) === 1;
}

/** All files of a model that lies in several. */
function partsOf(name: string, all: readonly string[]): readonly string[] {
  const [, stem, , count] = PART.exec(name) ?? [];
  if (stem === undefined) return [name];
  return all.filter((other) => other.startsWith(`${stem}-`) && other.endsWith(`-of-${count}.gguf`));
}
