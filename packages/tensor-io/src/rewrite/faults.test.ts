import { execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { writeFileSync } from "node:fs";
import { chmod, mkdir, readdir, readFile, rm, truncate, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import {
  fileSink,
  folderSink,
  openCheckpoint,
  rewriteCheckpoint,
  type TensorLiteral,
  writeCheckpoint,
} from "@vlmopt/tensor-io";
import { describe, expect, it, onTestFinished } from "vitest";
import { patternedBytes, temporaryFolder } from "../test-support/build-file.ts";

const child = fileURLToPath(new URL("../test-support/rewrite-child.mjs", import.meta.url));
const isRoot = process.getuid?.() === 0;

/** `count` tensors of 4 MB. */
function megabytes(count: number): TensorLiteral[] {
  const bytes = patternedBytes(4 * 1024 * 1024);
  return Array.from({ length: count }, (_, i) => ({
    name: `t.${i}`,
    dtype: "F32" as const,
    shape: [1024, 1024],
    bytes,
  }));
}

async function checkpointFolder(count: number): Promise<string> {
  const folder = await temporaryFolder();
  await writeCheckpoint(megabytes(count), join(folder, "in"), { files: { "config.json": "{}" } });
  return folder;
}

describe("a rewrite that is killed in the middle", () => {
  it("leaves the old output as it was and nothing half-written under its name; a rerun succeeds and tidies up", async () => {
    const folder = await checkpointFolder(4);
    const output = join(folder, "out");
    await writeCheckpoint([], output, { files: { "old.txt": "precious" } });
    const old = await readdir(output);

    const process = spawn(globalThis.process.execPath, [child, join(folder, "in"), output, "slow"]);
    await once(process.stdout, "data");
    const partial = async () =>
      (await readdir(folder)).filter((name) => name.startsWith(".out.partial-")).length;
    await expect.poll(partial).toBe(1);
    process.kill("SIGKILL");
    await once(process, "exit");

    expect(await partial()).toBe(1);
    expect(await readdir(output)).toEqual(old);
    expect(await readFile(join(output, "old.txt"), "utf8")).toBe("precious");

    execFileSync(globalThis.process.execPath, [child, join(folder, "in"), output]);
    expect((await readdir(folder)).sort()).toEqual(["in", "out"]);
    await using result = await openCheckpoint(output);
    expect(result.tensors.size).toBe(4);
  });

  it("between the two renames gives the old output back on the next run", async () => {
    const folder = await checkpointFolder(1);
    const dead = spawnSync(process.execPath, ["-e", ""]).pid;
    const aside = join(folder, `.out.replaced-${hostname().replaceAll(/[^\w-]/g, "_")}-${dead}-00000000`);
    await mkdir(aside);
    await writeFile(join(aside, "old.txt"), "precious");
    await using source = await openCheckpoint(join(folder, "in"));
    await expect(rewriteCheckpoint(source, undefined, join(folder, "out"))).rejects.toThrow(
      "is already there",
    );
    expect(await readFile(join(folder, "out/old.txt"), "utf8")).toBe("precious");
  });
});

describe("an output that exists", () => {
  it("is refused, and stays, unless it is to be overwritten", async () => {
    const folder = await checkpointFolder(1);
    const output = join(folder, "out");
    await writeCheckpoint([], output, { files: { "old.txt": "of an earlier run" } });
    const old = await readdir(output);
    await using source = await openCheckpoint(join(folder, "in"));
    await expect(rewriteCheckpoint(source, undefined, output)).rejects.toThrow(`${output}: is already there`);
    expect(await readdir(output)).toEqual(old);
    await rewriteCheckpoint(source, undefined, folderSink(output, { overwrite: true }));
    expect(await readdir(output)).toEqual([".vlmopt.json", "config.json", "model.safetensors"]);
    expect((await readdir(folder)).sort()).toEqual(["in", "out"]);
  });

  it("is not overwritten where others put something, at the start or meanwhile", async () => {
    const folder = await checkpointFolder(1);
    const output = join(folder, "out");
    await mkdir(output);
    await writeFile(join(output, "notes.txt"), "precious");
    await using source = await openCheckpoint(join(folder, "in"));
    const problem = `${output}: holds notes.txt, which vlmopt did not write, or which changed since`;
    const sink = () => folderSink(output, { overwrite: true });
    await expect(rewriteCheckpoint(source, undefined, sink())).rejects.toMatchObject({
      name: "SinkError",
      message: problem,
    });
    await rm(join(output, "notes.txt"));
    let put = false;
    const meanwhile = rewriteCheckpoint(source, undefined, sink(), {
      workers: 0,
      onProgress() {
        if (!put) writeFileSync(join(output, "notes.txt"), "precious");
        put = true;
      },
    });
    await expect(meanwhile).rejects.toThrow(problem);
    expect(await readdir(output)).toEqual(["notes.txt"]);
    expect((await readdir(folder)).sort()).toEqual(["in", "out"]);
  });

  it("is not overwritten where it is the input, holds it or lies within it", async () => {
    const folder = await checkpointFolder(1);
    const input = join(folder, "in");
    await using source = await openCheckpoint(input);
    const file = join(input, "model.safetensors");
    for (const [sink, problem] of [
      [folderSink(input, { overwrite: true }), `${input}: is the input`],
      [folderSink(folder, { overwrite: true }), `${folder}: holds the input, ${input}`],
      [fileSink(file, { overwrite: true }), `${file}: lies within the input, ${input}`],
    ] as const) {
      await expect(rewriteCheckpoint(source, undefined, sink)).rejects.toThrow(problem);
    }
    expect(await readdir(input)).toEqual([".vlmopt.json", "config.json", "model.safetensors"]);
    // A file is read of a folder: so nothing replaces the folder.
    await using shard = await openCheckpoint(file);
    await expect(rewriteCheckpoint(shard, undefined, folderSink(input, { overwrite: true }))).rejects.toThrow(
      `${input}: holds the input, ${file}`,
    );
  });

  it("that is a file is replaced by a file, if it was written here", async () => {
    const folder = await checkpointFolder(1);
    const output = join(folder, "x.safetensors");
    await writeFile(output, "somebody's");
    await using source = await openCheckpoint(join(folder, "in"));
    await expect(rewriteCheckpoint(source, undefined, output)).rejects.toThrow("is already there");
    const sink = fileSink(output, { overwrite: true });
    await expect(rewriteCheckpoint(source, undefined, sink)).rejects.toThrow("which vlmopt did not write");
    await rm(output);
    await rewriteCheckpoint(source, undefined, output);
    await rewriteCheckpoint(source, undefined, sink);
    expect((await readdir(folder)).sort()).toEqual([".x.safetensors.vlmopt.json", "in", "x.safetensors"]);
  });
});

describe("two processes that write one output", () => {
  it("do not work at once: the second is told who writes it, before it begins", async () => {
    const folder = await checkpointFolder(4);
    const output = join(folder, "out");
    const first = spawn(process.execPath, [child, join(folder, "in"), output, "slow"]);
    onTestFinished(() => void first.kill("SIGKILL"));
    await expect.poll(() => readdir(folder)).toContain(".out.lock");
    await using source = await openCheckpoint(join(folder, "in"));
    const problem = `${output}: process ${first.pid} on ${hostname()} is writing it`;
    await expect(folderSink(output).claim()).rejects.toMatchObject({ name: "SinkError", message: problem });
    await expect(rewriteCheckpoint(source, undefined, output)).rejects.toThrow(problem);
    first.kill("SIGKILL");
    await once(first, "exit");
    await rewriteCheckpoint(source, undefined, output);
    expect((await readdir(folder)).sort()).toEqual(["in", "out"]);
  });

  it("are kept apart by a claim, too, which may come before long work", async () => {
    const folder = await checkpointFolder(1);
    const output = join(folder, "out");
    await using source = await openCheckpoint(join(folder, "in"));
    const sink = folderSink(output);
    {
      await using _claim = await sink.claim();
      await expect(rewriteCheckpoint(source, undefined, output)).rejects.toThrow("is writing it");
      await rewriteCheckpoint(source, undefined, sink);
    }
    expect((await readdir(folder)).sort()).toEqual(["in", "out"]);
  });
});

describe("an abort", () => {
  it.each([0, 2])("stops within a second and leaves nothing, with %i workers", async (workers) => {
    const folder = await checkpointFolder(24);
    await using source = await openCheckpoint(join(folder, "in"));
    const controller = new AbortController();
    let stopped = 0;
    const run = rewriteCheckpoint(source, undefined, join(folder, "out"), {
      workers,
      dtype: "F16",
      signal: controller.signal,
      onProgress() {
        stopped ||= performance.now();
        controller.abort();
      },
    });
    await expect(run).rejects.toMatchObject({ name: "AbortError" });
    expect(performance.now() - stopped).toBeLessThan(1000);
    expect(await readdir(folder)).toEqual(["in"]);
  });

  it("before the start writes nothing", async () => {
    const folder = await checkpointFolder(1);
    await using source = await openCheckpoint(join(folder, "in"));
    const signal = AbortSignal.abort();
    await expect(rewriteCheckpoint(source, undefined, join(folder, "out"), { signal })).rejects.toMatchObject(
      { name: "AbortError" },
    );
    expect(await readdir(folder)).toEqual(["in"]);
  });
});

describe("a source that is cut while it is read", () => {
  it.each([0, 2])("is an error that names file and byte, with %i workers", async (workers) => {
    const folder = await checkpointFolder(8);
    await using source = await openCheckpoint(join(folder, "in"));
    await truncate(join(folder, "in/model.safetensors"), 20_000_000);
    await expect(rewriteCheckpoint(source, undefined, join(folder, "out"), { workers })).rejects.toThrow(
      /model\.safetensors: ended at byte 20000000, \d+ bytes early: it was cut while being read/,
    );
    expect(await readdir(folder)).toEqual(["in"]);
  });
});

describe.runIf(isRoot && process.platform === "linux")("a device (as root)", () => {
  it("that is too small is refused before anything is written; one that fills up midway leaves nothing", async () => {
    const folder = await checkpointFolder(4);
    const small = join(folder, "small");
    await mkdir(small);
    const mounted = spawnSync("mount", ["-t", "tmpfs", "-o", "size=20m", "tmpfs", small]);
    if (mounted.status !== 0) return console.warn("no tmpfs may be mounted here: ENOSPC was not tested");
    onTestFinished(() => void spawnSync("umount", ["-l", small]));
    await writeFile(join(small, "ballast"), new Uint8Array(8e6));
    const early = spawnSync(process.execPath, [child, join(folder, "in"), join(small, "out")], {
      encoding: "utf8",
    });
    expect(early.stderr).toMatch(
      /^error: .*small\/out: no space left on the device: 1677\d{4} bytes are needed and 1\d{7} are free\n$/,
    );

    await rm(join(small, "ballast"));
    const late = spawn(process.execPath, [child, join(folder, "in"), join(small, "out"), "slow"]);
    let stderr = "";
    late.stderr.on("data", (text) => {
      stderr += text;
    });
    await expect
      .poll(() => readdir(small).then((names) => names.some((name) => name.startsWith(".out.partial-"))))
      .toBe(true);
    await writeFile(join(small, "ballast"), new Uint8Array(12e6));
    const [code] = await once(late, "exit");
    expect(code).toBe(1);
    expect(stderr).toMatch(/^error: .*small\/out: no space left on the device\n$/);
    expect(await readdir(small)).toEqual(["ballast"]);
  });

  it("on which nothing may be written says so in one line", async () => {
    const folder = await checkpointFolder(1);
    await chmod(folder, 0o755);
    const result = spawnSync(process.execPath, [child, join(folder, "in"), join(folder, "out")], {
      uid: 65534,
      gid: 65534,
      encoding: "utf8",
    });
    expect(result.stderr).toBe(`error: ${join(folder, "out")}: permission denied\n`);
    expect(result.status).toBe(1);
  });

  it("from which nothing may be read says so in one line", async () => {
    const folder = await checkpointFolder(1);
    await chmod(folder, 0o755);
    await chmod(join(folder, "in/model.safetensors"), 0o600);
    const result = spawnSync(process.execPath, [child, join(folder, "in"), join(folder, "out")], {
      uid: 65534,
      gid: 65534,
      encoding: "utf8",
    });
    expect(result.stderr).toBe(`error: ${join(folder, "in/model.safetensors")}: permission denied\n`);
  });
});
