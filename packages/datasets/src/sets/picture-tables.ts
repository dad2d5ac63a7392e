import { DatasetError } from "../dataset-error.ts";
import type { FetchOptions } from "../hub/hub-folder.ts";
import { readTable } from "../records/read-table.ts";
import { chooseDataFiles } from "./data-files.ts";
import type { FileTree } from "./file-tree.ts";
import type { SetLayout } from "./set-layout.ts";

/** Finds pictures by a key, where they stand in files of their own with a row each: another configuration of the set. */
export async function pictureTables(
  tree: FileTree,
  { key, image, ...choice }: NonNullable<SetLayout["pictures"]>,
  options: FetchOptions,
): Promise<(key: string) => Promise<readonly (Uint8Array | string)[]>> {
  const files = chooseDataFiles(tree.paths, tree.name, choice);
  await tree.fetch(files, options);
  const found = new Map<string, () => Promise<readonly (Uint8Array | string)[]>>();
  for (const file of files) {
    for await (const part of readTable(tree.pathOf(file), { images: [image], choose: () => [key] })) {
      const { rows, firstRow, readPictures } = part;
      for (const [i, cells] of rows.entries()) {
        if (readPictures !== undefined)
          found.set(String(cells[key]), () => readPictures(firstRow + i, image));
      }
    }
  }
  return async (name) => {
    const read = found.get(name);
    if (read !== undefined) return read();
    throw new DatasetError(
      "missing-image",
      `there is no picture ${JSON.stringify(name)} among the ${found.size} of ${files.join(", ")}`,
    );
  };
}
