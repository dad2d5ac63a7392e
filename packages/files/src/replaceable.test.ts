import { link, mkdir, mkdtemp, realpath, rename, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, relative } from "node:path";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { assertReplaceable, InTheWayError, type ReplaceOptions } from "./replaceable.ts";
import { foreignFiles, isRecorded, recordWritten } from "./written-files.ts";

let root: string;

beforeEach(async () => {
  root = await realpath(await mkdtemp(join(tmpdir(), "vlmopt-replace-")));
  onTestFinished(() => rm(root, { recursive: true, force: true }));
});

/** A folder that vlmopt wrote. */
async function written(name: string): Promise<string> {
  const folder = join(root, name);
  await mkdir(join(folder, "sub"), { recursive: true });
  await writeFile(join(folder, "config.json"), "{}");
  await writeFile(join(folder, "sub/model.safetensors"), new Uint8Array(3 << 20));
  await recordWritten(folder);
  return folder;
}

async function refusal(path: string, options?: ReplaceOptions): Promise<string | undefined> {
  const error = await assertReplaceable(path, options).catch((reason: Error) => reason);
  if (error !== undefined) expect(error).toBeInstanceOf(InTheWayError);
  return error?.message;
}

describe("what may be replaced", () => {
  it("is nothing at all, an empty folder, and a folder that vlmopt wrote, wherever it was moved", async () => {
    expect(await refusal(join(root, "nowhere"))).toBeUndefined();
    await mkdir(join(root, "empty/within"), { recursive: true });
    expect(await refusal(join(root, "empty"))).toBeUndefined();
    const folder = await written("a");
    expect(await isRecorded(folder)).toBe(true);
    expect(await refusal(folder)).toBeUndefined();
    await rename(folder, join(root, "b"));
    expect(await refusal(join(root, "b"))).toBeUndefined();
    await writeFile(join(root, "b/.DS_Store"), "the system's");
    expect(await refusal(join(root, "b"))).toBeUndefined();
  });

  it("is no folder of others, whatever their files are called", async () => {
    const folder = join(root, "theirs");
    await mkdir(folder);
    for (const name of ["pruning.json", "config.json", "README.md", ".hidden"]) {
      await writeFile(join(folder, name), "theirs");
    }
    expect(await refusal(folder)).toBe(
      `${folder}: holds .hidden, README.md, config.json and 1 more, files that vlmopt did not write, or which changed since`,
    );
  });

  it("is no folder where others put or changed a file, at the end of a large one too", async () => {
    const folder = await written("a");
    await writeFile(join(folder, "sub/notes.txt"), "mine");
    expect(await foreignFiles(folder)).toEqual(["sub/notes.txt"]);
    expect(await refusal(folder)).toBe(
      `${folder}: holds sub/notes.txt, which vlmopt did not write, or which changed since`,
    );
    await rm(join(folder, "sub/notes.txt"));
    const weights = new Uint8Array(3 << 20);
    weights[weights.length - 1] = 1;
    await writeFile(join(folder, "sub/model.safetensors"), weights);
    expect(await foreignFiles(folder)).toEqual(["sub/model.safetensors"]);
    await rm(join(folder, "sub/model.safetensors"));
    expect(await refusal(folder)).toBeUndefined();
    await symlink("/etc/hostname", join(folder, "config.json.link"));
    expect(await foreignFiles(folder)).toEqual(["config.json.link"]);
  });

  it("is no file that vlmopt did not write", async () => {
    const file = join(root, "a.safetensors");
    await writeFile(file, "x");
    expect(await refusal(file)).toBe(`${file}: is there, which vlmopt did not write, or which changed since`);
    await recordWritten(file);
    expect(await refusal(file)).toBeUndefined();
    await writeFile(file, "y");
    expect(await refusal(file)).toContain("did not write");
  });

  it("is never the input, a folder around it or within it, by whatever path", async () => {
    const folder = await written("a");
    const input = join(folder, "sub/model.safetensors");
    await symlink(folder, join(root, "to-a"));
    const isInput = "is the input, which is never replaced";
    for (const [path, inputs, problem] of [
      [folder, [folder], isInput],
      [`${folder}/.`, [relative(process.cwd(), folder)], isInput],
      [`${folder}/sub/..`, [join(root, "to-a")], isInput],
      [join(root, "to-a"), [], `is a link to ${folder}, which is not replaced`],
      [`${join(root, "to-a")}/`, [], `is a link to ${folder}, which is not replaced`],
      [folder, [input], `holds the input, ${input}, which is never replaced`],
      [
        folder,
        [join(root, "to-a/sub")],
        `holds the input, ${join(root, "to-a/sub")}, which is never replaced`,
      ],
      [join(folder, "sub"), [folder], `lies within the input, ${folder}, which is never replaced`],
      [join(root, "to-a/sub"), [folder], `lies within the input, ${folder}, which is never replaced`],
      [input, [input], isInput],
    ] as const) {
      expect(await refusal(path, { inputs })).toBe(`${path}: ${problem}`);
    }
    await link(input, join(root, "hard.safetensors"));
    expect(await refusal(join(root, "hard.safetensors"), { inputs: [input] })).toContain(isInput);
    // Names that begin alike are not within each other, and what is not there is no input.
    await written("ab");
    expect(await refusal(join(root, "ab"), { inputs: [folder, "https://hub.example/a"] })).toBeUndefined();
  });

  it("is never the working folder, nor one around it", async () => {
    const folder = await written("a");
    await mkdir(join(folder, "empty"));
    expect(await refusal(folder, { workingFolder: folder })).toBe(
      `${folder}: is the working folder, which is never replaced`,
    );
    expect(await refusal(folder, { workingFolder: join(folder, "sub") })).toBe(
      `${folder}: holds the working folder, which is never replaced`,
    );
    expect(await refusal(join(folder, "empty"), { workingFolder: folder })).toBeUndefined();
    expect(await refusal(".")).toBe(".: is the working folder, which is never replaced");
    expect(await refusal(dirname(process.cwd()))).toContain("holds the working folder");
  });
});
