import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, rm, utimes, writeFile } from "node:fs/promises";
import { hostname, tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it, onTestFinished } from "vitest";
import { acquireLock, LockedError, lockHolder } from "./folder-lock.ts";
import { startOf } from "./process-life.ts";

async function lockPath(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "vlmopt-lock-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return join(folder, "lock");
}

/** A process that does nothing; killed at the test's end. */
function idleProcess(): { readonly pid: number; kill(): Promise<void> } {
  const child = spawn(process.execPath, ["-e", "setInterval(() => {}, 1000)"], { stdio: "ignore" });
  onTestFinished(() => void child.kill("SIGKILL"));
  return {
    pid: child.pid as number,
    async kill() {
      const ended = once(child, "exit");
      child.kill("SIGKILL");
      await ended;
    },
  };
}

describe("a lock", () => {
  it("is held by one at a time, and names who holds it", async () => {
    const path = await lockPath();
    const lock = await acquireLock(path);
    expect(await lockHolder(path)).toMatchObject({ pid: process.pid, host: hostname() });
    const error = await acquireLock(path, { of: "the run" }).catch((reason: Error) => reason);
    expect(error).toBeInstanceOf(LockedError);
    expect(error).toMatchObject({
      message: `the run: process ${process.pid} on ${hostname()} is at work there`,
    });
    await lock[Symbol.asyncDispose]();
    expect(await lockHolder(path)).toBeUndefined();
    await (await acquireLock(path))[Symbol.asyncDispose]();
    expect(await readdir(join(path, ".."))).toEqual([]);
  });

  it("is waited for, and told of once", async () => {
    const path = await lockPath();
    const first = await acquireLock(path);
    const told: unknown[] = [];
    const second = acquireLock(path, { wait: 10_000, onWait: (holder) => told.push(holder?.pid) });
    setTimeout(() => first[Symbol.asyncDispose](), 200);
    await (await second)[Symbol.asyncDispose]();
    expect(told).toEqual([process.pid]);
  });

  it("gives way to a signal while it waits", async () => {
    const path = await lockPath();
    await using _first = await acquireLock(path);
    const controller = new AbortController();
    const second = acquireLock(path, { wait: 10_000, signal: controller.signal });
    controller.abort();
    await expect(second).rejects.toMatchObject({ name: "AbortError" });
  });

  it("of a process that was killed is taken over at once", async () => {
    const path = await lockPath();
    const other = idleProcess();
    await writeFile(path, JSON.stringify({ pid: other.pid, host: hostname(), id: "1" }));
    await expect(acquireLock(path)).rejects.toThrow(`process ${other.pid} on ${hostname()}`);
    await other.kill();
    await (await acquireLock(path))[Symbol.asyncDispose]();
  });

  it.skipIf(process.platform !== "linux")("of a process whose id another has now is taken over", async () => {
    const path = await lockPath();
    const other = idleProcess();
    const holder = { pid: other.pid, host: hostname(), id: "1" };
    await writeFile(path, JSON.stringify({ ...holder, start: "an earlier process" }));
    await (await acquireLock(path))[Symbol.asyncDispose]();
    // The one that holds it keeps it, however long it has been silent: it may have been suspended.
    await writeFile(path, JSON.stringify({ ...holder, start: await startOf(other.pid) }));
    await utimes(path, 1, 1);
    await expect(acquireLock(path)).rejects.toThrow(LockedError);
  });

  it("of an earlier process with our id, of a machine that is silent, or of nobody, is taken over", async () => {
    const { pid } = spawnSync("true");
    for (const [content, age] of [
      [JSON.stringify({ pid, host: hostname(), id: "1" }), 0],
      [JSON.stringify({ pid: process.pid, host: hostname(), id: "of an earlier process" }), 0],
      [JSON.stringify({ pid: 1, host: "another machine", id: "1" }), 61],
      ["null", 61],
    ] as const) {
      const path = await lockPath();
      await writeFile(path, content);
      const then = Date.now() / 1000 - age;
      await utimes(path, then, then);
      await (await acquireLock(path))[Symbol.asyncDispose]();
    }
    const path = await lockPath();
    await writeFile(path, '{"pid":1,"host":"another machine","id":"1"}');
    await expect(acquireLock(path)).rejects.toThrow("process 1 on another machine is at work there");
  });

  it("that many ask for at once is given to one after the other", async () => {
    const path = await lockPath();
    let inside = 0;
    let most = 0;
    await Promise.all(
      Array.from({ length: 8 }, async () => {
        await using _lock = await acquireLock(path, { wait: 20_000 });
        most = Math.max(most, ++inside);
        await new Promise((resolve) => setTimeout(resolve, 5));
        inside--;
      }),
    );
    expect(most).toBe(1);
  });
});
