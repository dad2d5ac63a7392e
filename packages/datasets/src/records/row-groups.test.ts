import type { FileMetaData } from "hyparquet";
import { expect, it } from "vitest";
import { partsOf, rowGroupReader } from "./row-groups.ts";

it("parts are whole row groups: a small first one, then larger ones", () => {
  expect(partsOf([400, 400, 600, 600, 3000, 10])).toEqual([
    [0, 800],
    [800, 2000],
    [2000, 5000],
    [5000, 5010],
  ]);
  expect(partsOf([4, 4, 2])).toEqual([[0, 10]]);
  expect(partsOf([])).toEqual([[0, 0]]);
});

const metadata = (bytes: number) =>
  ({
    row_groups: [3, 2].map((rows) => ({
      num_rows: BigInt(rows),
      columns: [
        { meta_data: { path_in_schema: ["image", "bytes"], total_uncompressed_size: BigInt(bytes) } },
      ],
    })),
  }) as unknown as FileMetaData;

function counted(bytes: number) {
  const reads: string[] = [];
  const cellOf = rowGroupReader(metadata(bytes), async (column, { rowStart, rowEnd }) => {
    reads.push(`${column} ${rowStart} to ${rowEnd}`);
    return Array.from({ length: rowEnd - rowStart }, (_, i) => ({ [column]: rowStart + i }));
  });
  return { reads, cellOf };
}

it("a row group is read once for all pictures that are asked for in their order", async () => {
  const { reads, cellOf } = counted(1000);
  expect(await Promise.all([0, 1, 2, 3, 4].map((row) => cellOf(row, "image")))).toEqual([0, 1, 2, 3, 4]);
  expect(reads).toEqual(["image 0 to 3", "image 3 to 5"]);
});

it("of groups that are too large to hold, rows are read one by one", async () => {
  const { reads, cellOf } = counted(300e6);
  expect(await cellOf(4, "image")).toBe(4);
  expect(reads).toEqual(["image 4 to 5"]);
});

it("what failed is read again", async () => {
  let calls = 0;
  const cellOf = rowGroupReader(metadata(10), async () => {
    if (calls++ === 0) throw new Error("broken");
    return [{ image: "a" }];
  });
  await expect(cellOf(0, "image")).rejects.toThrow("broken");
  expect(await cellOf(0, "image")).toBe("a");
});
