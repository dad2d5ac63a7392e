import { spawnSync } from "node:child_process";
import { mkdir, readdir, utimes, writeFile } from "node:fs/promises";
import { hostname } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { download, failure, hubWith, slowly, storageFails } from "../test-support/model-hub.ts";
import { temporaryFolder } from "../test-support/temporary-folder.ts";

describe("two downloads into one folder", () => {
  it("do not work at once: the second is told, or waits", async () => {
    const [hub, folder] = [await hubWith(storageFails(1, slowly)), await temporaryFolder()];
    const options = { allow: ["model.safetensors"] };
    const first = download(hub, folder, options);
    await expect.poll(() => hub.requests.some(({ host }) => host === "storage")).toBe(true);
    expect(await failure(download(hub, folder, options))).toMatchObject({
      code: "locked",
      message: expect.stringMatching(
        new RegExp(`^${folder}: another download is at work there \\(process ${process.pid} on `),
      ),
    });
    const second = download(hub, folder, { ...options, wait: 20_000 });
    expect((await first).fetchedFiles).toBe(1);
    expect((await second).fetchedFiles).toBe(0);
    expect(await readdir(join(folder, ".vlmopt-download"))).not.toContain("lock");
  });

  it("are told apart from a lock that a dead process, or a silent machine, left behind", async () => {
    const { pid } = spawnSync("true");
    const hub = await hubWith();
    for (const [holder, age] of [
      [{ pid, host: hostname(), id: "1" }, 0],
      [{ pid: process.pid, host: hostname(), id: "of an earlier process with our id" }, 0],
      [{ pid: 1, host: "another machine", id: "1" }, 61],
    ] as const) {
      const folder = await temporaryFolder();
      await mkdir(join(folder, ".vlmopt-download"));
      const lock = join(folder, ".vlmopt-download/lock");
      await writeFile(lock, JSON.stringify(holder));
      const then = Date.now() / 1000 - age;
      await utimes(lock, then, then);
      expect((await download(hub, folder)).fetchedFiles).toBe(6);
    }
    const folder = await temporaryFolder();
    await mkdir(join(folder, ".vlmopt-download"));
    await writeFile(join(folder, ".vlmopt-download/lock"), '{"pid":1,"host":"another machine","id":"1"}');
    expect((await failure(download(hub, folder))).code).toBe("locked");
  });
});
