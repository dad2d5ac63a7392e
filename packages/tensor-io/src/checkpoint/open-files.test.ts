import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { type CheckpointError, openCheckpoint, openFiles, readTensor } from "@vlmopt/tensor-io";
import { describe, expect, it } from "vitest";
import { entry, fileBytes } from "../test-support/build-file.ts";

const one = (name: string) => fileBytes(`{"${name}":${entry("U8", [1], 0, 1)}}`, new Uint8Array(1));
const index = (map: Record<string, string>) => JSON.stringify({ weight_map: map });

function file(name: string, content: string | Uint8Array): File {
  return new File([content as Uint8Array<ArrayBuffer>], name);
}

async function failureOf(files: readonly File[]): Promise<CheckpointError> {
  return openFiles(files).then(
    () => expect.unreachable("the files should have been refused"),
    (error: CheckpointError) => error,
  );
}

describe("files that a page is given", () => {
  it("are the checkpoint that their folder is", async () => {
    const folder = new URL("../../../../fixtures/tiny-llava", import.meta.url).pathname;
    const names = readdirSync(folder, { withFileTypes: true })
      .filter((found) => found.isFile())
      .map(({ name }) => name);
    const files = await openFiles(names.map((name) => file(name, readFileSync(join(folder, name)))));
    await using opened = await openCheckpoint(folder);
    expect([...files.tensors.keys()]).toEqual([...opened.tensors.keys()]);
    const last = [...files.tensors.keys()].at(-1) as string;
    expect(Buffer.from(await readTensor(files, last)).equals(await readTensor(opened, last))).toBe(true);
    expect(await files.readSibling("config.json")).toEqual(
      await opened.readSibling("config.json").then((bytes) => new Uint8Array(bytes as Uint8Array)),
    );
    expect(await files.readSibling("absent.json")).toBeUndefined();
  });

  it("may be shards that their index names", async () => {
    const files = [
      file("model.safetensors.index.json", index({ a: "x.safetensors", b: "y.safetensors" })),
      file("y.safetensors", one("b")),
      file("x.safetensors", one("a")),
      file("other.safetensors", one("c")),
    ];
    expect([...(await openFiles(files)).tensors.keys()]).toEqual(["a", "b"]);
    expect((await failureOf(files.filter(({ name }) => name !== "y.safetensors"))).message).toBe(
      'model.safetensors.index.json: tensor "b": the index names the file y.safetensors, which is not there',
    );
  });

  it("are refused where there are no weights, or nothing says which", async () => {
    expect((await failureOf([file("config.json", "{}")])).message).toBe(
      "the files given: there is no .safetensors file and no index",
    );
    expect((await failureOf([file("x.safetensors", one("a")), file("y.safetensors", one("b"))])).code).toBe(
      "no-checkpoint",
    );
  });

  it("are refused where two have one name", async () => {
    const error = await failureOf([file("config.json", "{}"), file("config.json", "{}")]);
    expect(error.message).toBe("the files given: two of the files are called config.json");
  });
});

describe("a file that was changed after it was chosen", () => {
  it("is an error with its name", async () => {
    const chosen = file("model.safetensors", one("a"));
    const gone = new DOMException("The requested file could not be read", "NotReadableError");
    const slice = () => ({ arrayBuffer: () => Promise.reject(gone) });
    await expect(openFiles([Object.assign(chosen, { slice })])).rejects.toThrow(
      "model.safetensors: cannot be read: The requested file could not be read",
    );
  });
});
