import { dirname, resolve } from "node:path";
import {
  type ClipEncoder,
  clipScore,
  type ModelMetric,
  type ScoreFile,
  ScoreFileError,
} from "@vlmopt/metrics";

/**
 * The picture of each item: the `image` of its record in the first file that has one.
 * @param folder where pictures lie; the folder of the file that names them unless told
 * @throws {ScoreFileError} where an item has no picture
 */
export function picturesOf(
  ids: readonly string[],
  files: readonly ScoreFile<{ readonly image?: string }>[],
  folder?: string,
): readonly string[] {
  return ids.map((id) => {
    for (const { name, lines } of files) {
      const image = lines.get(id)?.image;
      if (image !== undefined) return resolve(folder ?? dirname(name), image);
    }
    const names = files.map(({ name }) => name).join(" and ");
    throw new ScoreFileError(
      `${names}: item "${id}" has no "image", which clipscore looks at: add its file name, or leave clipscore out of --metrics`,
    );
  });
}

/** A picture as CLIP sees it, or why it cannot. */
export type SeenPicture = { readonly vector: Float32Array } | { readonly problem: string };

/** Encodes each picture once, however many answers look at it; one that cannot be read is told where its vector would be. */
export async function seenPictures(
  pictures: readonly string[],
  encoder: ClipEncoder<string>,
): Promise<readonly SeenPicture[]> {
  const seen = new Map<string, SeenPicture>();
  for (const picture of new Set(pictures)) seen.set(picture, await see(picture, encoder));
  return pictures.map((picture) => seen.get(picture) as SeenPicture);
}

async function see(picture: string, encoder: ClipEncoder<string>): Promise<SeenPicture> {
  try {
    return { vector: (await encoder.encodeImages([picture]))[0] as Float32Array };
  } catch (error) {
    if ((error as Error).name !== "ImageError") throw error;
    return { problem: (error as Error).message };
  }
}

/** CLIPScore of answers about these pictures, one an item; those that cannot be seen are left out. */
export function clipScoreOf(pictures: readonly SeenPicture[], encoder: ClipEncoder<string>): ModelMetric {
  const vectors = pictures.flatMap((picture) => ("vector" in picture ? [picture.vector] : []));
  const metric = clipScore<Float32Array>({
    encoder: {
      name: encoder.name,
      encodeTexts: (texts) => encoder.encodeTexts(texts),
      encodeImages: async (images) => images,
    },
  });
  const corpus: ModelMetric["corpus"] = (predictions, references) =>
    metric.corpus(predictions, vectors, references);
  return {
    ...metric,
    corpus,
    score: async (prediction, references) => (await corpus([prediction], [references])).aggregate,
  };
}
