import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { RECORD_NAME, recordWritten } from "@vlmopt/files";
import { beforeEach, describe, expect, it, onTestFinished } from "vitest";
import { clearMade, listMade, madeLimit, useMade } from "./made-cache.ts";

let cache: string;
beforeEach(async () => {
  cache = await mkdtemp(join(tmpdir(), "vlmopt-made-"));
  onTestFinished(() => rm(cache, { recursive: true, force: true }));
});

const nameOf = (letter: string) => `model-${letter.repeat(16)}`;

/** Makes what has `bytes` bytes; it was used `ago` seconds ago. */
async function made(letter: string, bytes: number, ago: number): Promise<string> {
  await using _use = await useMade(cache, nameOf(letter), (folder) => write(folder, bytes));
  const then = Date.now() / 1000 - ago;
  await utimes(join(cache, nameOf(letter), RECORD_NAME), then, then);
  return nameOf(letter);
}

async function write(folder: string, bytes: number): Promise<void> {
  await mkdir(folder);
  await writeFile(join(folder, "model.safetensors"), new Uint8Array(bytes));
  await recordWritten(folder);
}

const names = async () => (await listMade(cache)).map(({ name }) => name);

describe("the cache of made checkpoints", () => {
  it("is listed with what was unused longest first, and holds no folders but those that were made", async () => {
    await mkdir(join(cache, `theirs-${"0".repeat(16)}`));
    const [a, b] = [await made("a", 1000, 10), await made("b", 3000, 20)];
    const listed = await listMade(cache);
    expect(listed.map(({ name }) => name)).toEqual([b, a]);
    expect(listed[0]?.bytes).toBeGreaterThan(3000);
    expect(listed[0]?.usedAt.getTime()).toBeCloseTo(Date.now() - 20_000, -4);
    expect(listed[0]?.usedBy).toBeUndefined();
    expect(await listMade(join(cache, "nowhere"))).toEqual([]);
  });

  it("keeps what was used last when it has to shrink", async () => {
    const [a, b, c] = [await made("a", 1000, 10), await made("b", 1000, 30), await made("c", 1000, 20)];
    // Taking it again makes it the last used.
    await (await useMade(cache, b, async () => expect.unreachable()))[Symbol.asyncDispose]();
    const { gone } = await clearMade({ cache, downTo: 2500 });
    expect(gone.map(({ name }) => name)).toEqual([c]);
    expect(await names()).toEqual([a, b]);
    expect((await clearMade({ cache, downTo: 2500 })).gone).toEqual([]);
  });

  it("is cleared of all or of some, but for what is in use or holds others' files", async () => {
    const [a, b, c] = [await made("a", 10, 1), await made("b", 10, 2), await made("c", 10, 3)];
    await clearMade({ cache, names: [b] });
    expect(await names()).toEqual([c, a]);
    await expect(clearMade({ cache, names: ["x"] })).rejects.toThrow('holds no made checkpoint "x"');
    await writeFile(join(cache, c, "notes.txt"), "precious");
    const use = await useMade(cache, a, async () => expect.unreachable());
    expect((await listMade(cache)).find(({ name }) => name === a)?.usedBy).toMatchObject({
      pid: process.pid,
      host: hostname(),
    });
    const { gone, stayed } = await clearMade({ cache });
    expect([gone, stayed.map(({ name }) => name)]).toEqual([[], [c, a]]);
    await use[Symbol.asyncDispose]();
    expect((await clearMade({ cache })).gone.map(({ name }) => name)).toEqual([a]);
    expect(await readdir(join(cache, c))).toContain("notes.txt");
  });

  it("makes nothing twice when two ask at once", async () => {
    let times = 0;
    const make = async (folder: string) => {
      times++;
      await write(folder, 10);
    };
    const uses = await Promise.all([1, 2, 3].map(() => useMade(cache, nameOf("a"), make)));
    expect(times).toBe(1);
    for (const use of uses) await use[Symbol.asyncDispose]();
    expect((await clearMade({ cache })).gone).toHaveLength(1);
  });

  it("forgets the use by a process that was killed", async () => {
    const a = await made("a", 10, 1);
    const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
    onTestFinished(() => void child.kill("SIGKILL"));
    const use = JSON.stringify({ pid: child.pid, host: hostname(), id: "1" });
    await writeFile(join(cache, ".locks", `${a}.use-1`), use);
    expect((await clearMade({ cache })).stayed).toHaveLength(1);
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
    expect((await clearMade({ cache })).gone).toHaveLength(1);
  });

  it.each([
    [undefined, 100e9],
    ["", 100e9],
    ["50GB", 50e9],
    ["1.5 tb", 1.5e12],
    ["4096", 4096],
    ["0", 0],
  ])("is limited by VLMOPT_CACHE_LIMIT: %s", (text, bytes) => {
    expect(madeLimit({ VLMOPT_CACHE_LIMIT: text })).toBe(bytes);
  });

  it.each(["much", "-1", "5 potatoes", "NaN"])("refuses a limit of %s", (text) => {
    expect(() => madeLimit({ VLMOPT_CACHE_LIMIT: text })).toThrow(
      `VLMOPT_CACHE_LIMIT is "${text}", which is no size`,
    );
  });
});
