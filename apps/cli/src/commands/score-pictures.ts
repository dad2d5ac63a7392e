import { dirname, resolve } from "node:path";
import { type ClipEncoder, clipScore, type ModelMetric, ScoreFileError } from "@vlmopt/metrics";

/** A file of records, as JSON lines that have been checked. */
export interface RecordFile {
  readonly name: string;
  readonly bytes: Uint8Array;
}

/**
 * The picture of each item: the `image` of its record in the first file that has one.
 * @param folder where pictures lie; the folder of the file that names them unless told
 * @throws {ScoreFileError} where an item has no picture
 */
export function picturesOf(
  ids: readonly string[],
  files: readonly RecordFile[],
  folder?: string,
): readonly string[] {
  const places = files.map(({ name, bytes }) => placesIn(bytes, folder ?? dirname(name)));
  return ids.map((id) => {
    const place = places.map((known) => known.get(id)).find((found) => found !== undefined);
    if (place !== undefined) return place;
    const names = files.map(({ name }) => name).join(" and ");
    throw new ScoreFileError(
      `${names}: item "${id}" has no "image", which clipscore looks at: add its file name, or leave clipscore out of --metrics`,
    );
  });
}

function placesIn(bytes: Uint8Array, folder: string): Map<string, string> {
  const places = new Map<string, string>();
  for (const line of new TextDecoder().decode(bytes).split("\n")) {
    if (line.trim() === "") continue;
    const { id, image } = JSON.parse(line) as { readonly id: string | number; readonly image?: unknown };
    if (typeof image === "string" && image !== "") places.set(`${id}`, resolve(folder, image));
  }
  return places;
}

/** CLIPScore of answers about these pictures, one an item. Each picture is encoded once, however many answers look at it. */
export function clipScoreOf(pictures: readonly string[], encoder: ClipEncoder<string>): ModelMetric {
  const seen = new Map<string, Float32Array>();
  const metric = clipScore<string>({
    encoder: {
      name: encoder.name,
      encodeTexts: (texts) => encoder.encodeTexts(texts),
      async encodeImages(images) {
        const unseen = [...new Set(images)].filter((image) => !seen.has(image));
        const vectors = await encoder.encodeImages(unseen);
        for (const [n, image] of unseen.entries()) seen.set(image, vectors[n] as Float32Array);
        return images.map((image) => seen.get(image) as Float32Array);
      },
    },
  });
  const corpus: ModelMetric["corpus"] = (predictions, references) =>
    metric.corpus(predictions, pictures, references);
  return {
    ...metric,
    // What a picture shows does not change with the references.
    referenceFree: true,
    corpus,
    score: async (prediction, references) => (await corpus([prediction], [references])).aggregate,
  };
}
