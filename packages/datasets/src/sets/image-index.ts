import { posix } from "node:path";
import { DatasetError } from "../dataset-error.ts";

const IMAGE = /\.(png|jpe?g|webp|gif|bmp|tiff?|avif)$/i;

/** Finds a record's image among the files of a set: by its path, or by its name in whatever folder it is. */
export interface ImageIndex {
  /**
   * `root`: folder that paths in the data may start from, beside the set's own.
   * @throws {DatasetError} where there is none, or the name stands in several folders
   */
  find(image: string, root?: string): string;
}

/** Indexes the image files among a set's files by their names. */
export function indexImages(paths: readonly string[], set: string): ImageIndex {
  const images = paths.filter((path) => IMAGE.test(path));
  const whole = new Set(images);
  const folders = new Set(images.map((path) => posix.dirname(path)));
  const byName = new Map<string, string | string[]>();
  for (const path of images) {
    const name = posix.basename(path);
    const others = byName.get(name);
    byName.set(name, others === undefined ? path : [others, path].flat());
  }
  return {
    find(image, root = "") {
      const path = posix.normalize(image.replaceAll("\\", "/"));
      const candidates = [posix.join(root, path), path];
      for (const candidate of candidates) if (whole.has(candidate)) return candidate;
      // Where the folder is there and the file is not, another folder's file of that name is another picture.
      const isElsewhere =
        path.includes("/") && candidates.some((candidate) => folders.has(posix.dirname(candidate)));
      const found = isElsewhere ? undefined : byName.get(posix.basename(path));
      if (typeof found === "string") return found;
      const name = JSON.stringify(image.length > 200 ? `${image.slice(0, 200)}…` : image);
      if (found === undefined) {
        throw new DatasetError(
          "missing-image",
          `${set}: there is no image ${name} among its ${images.length}`,
        );
      }
      throw new DatasetError(
        "ambiguous-image",
        `${set}: the image ${name} is in several folders: ${found.join(", ")}`,
        {
          hint: "give images by their path within the set",
        },
      );
    },
  };
}
