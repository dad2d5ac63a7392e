import { readdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { downloadRepository } from "@vlmopt/datasets";
import { describe, expect, it } from "vitest";
import { download, failure, hubWith, status, storageFails } from "../test-support/model-hub.ts";
import { temporaryFolder } from "../test-support/temporary-folder.ts";

describe("a repository that is not open to all", () => {
  it("leaves nothing behind where it is not there", async () => {
    const [hub, folder] = [await hubWith(), await temporaryFolder()];
    const typo = downloadRepository("org/modle", folder, {
      endpoint: hub.endpoint,
      token: false,
      revision: "0".repeat(40),
    });
    expect((await failure(typo)).code).toBe("unauthorized");
    expect(await readdir(folder)).toEqual([]);
  });

  it.each([
    [
      401,
      "GatedRepo",
      false,
      "unauthorized",
      /is gated, and no token was sent$/,
      /ask for access at .*\/org\/model/,
    ],
    [
      403,
      "GatedRepo",
      "hf_x",
      "forbidden",
      /is gated, and the token does not open it$/,
      /the account that the token/,
    ],
    [401, "RepoNotFound", false, "unauthorized", /is not there, or not for everyone/, /set HF_TOKEN/],
    [401, "", "hf_x", "unauthorized", /and the token does not open it$/, /may have expired/],
    [403, "", "hf_x", "forbidden", /the hub refuses access/, /fine-grained/],
    [404, "RepoNotFound", "hf_x", "not-found", /there is no such repository$/, /spelling/],
    [404, "RevisionNotFound", "hf_x", "not-found", /has no such revision$/, /spelling/],
  ] as const)(
    "%i %s with token %s says how to get access",
    async (code, reason, token, kind, message, hint) => {
      const hub = await hubWith(status(code, reason === "" ? {} : { "x-error-code": reason }));
      const error = await failure(download(hub, await temporaryFolder(), { token }));
      expect(error).toMatchObject({ code: kind, status: code, message: expect.stringMatching(message) });
      expect(error.hint).toMatch(hint);
      expect(hub.requests).toHaveLength(1);
    },
  );

  it("names a file that has gone", async () => {
    const hub = await hubWith(({ path }, response) =>
      path.endsWith("/config.json")
        ? Boolean(response.writeHead(404, { "x-error-code": "EntryNotFound" }).end())
        : false,
    );
    expect((await failure(download(hub, await temporaryFolder()))).message).toBe(
      "org/model/config.json: there is no such file",
    );
  });
});

describe("the token", () => {
  it("goes to the hub, and not along a redirect to another host", async () => {
    const [hub, folder] = [await hubWith(), await temporaryFolder()];
    await download(hub, folder, { token: "hf_secret" });
    const of = (host: string) =>
      new Set(
        hub.requests.filter((request) => request.host === host).map(({ authorization }) => authorization),
      );
    expect(of("hub")).toEqual(new Set(["Bearer hf_secret"]));
    expect(of("storage")).toEqual(new Set([undefined]));
  });

  it("stays with a redirect within the hub, as for a renamed repository", async () => {
    let moved = false;
    const hub = await hubWith((_, response) => {
      if (moved) return false;
      moved = true;
      return Boolean(response.writeHead(307, { location: `/api/models/org/model/revision/main` }).end());
    });
    await download(hub, await temporaryFolder(), { token: "hf_secret" });
    expect(hub.requests[1]).toMatchObject({ host: "hub", authorization: "Bearer hf_secret" });
  });

  it("is never in a message, though the server echoes it, nor is a link's signature", async () => {
    const hub = await hubWith(status(400, {}, "bad request of hf_secret and legacy_secret"));
    for (const token of ["hf_secret", "legacy_secret"]) {
      const error = await failure(download(hub, await temporaryFolder(), { token }));
      expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain(token);
    }
    hub.misbehave = storageFails(99, status(403));
    const error = await failure(download(hub, await temporaryFolder()));
    expect(`${error.stack} ${JSON.stringify(error)}`).not.toContain("signature");
  });

  it("comes from HF_TOKEN, or the file that the hub's own log-in writes, or nowhere", async () => {
    const [hub, home] = [await hubWith(), await temporaryFolder()];
    await writeFile(join(home, "token"), "hf_file\n");
    const sent = async (env: Record<string, string>) => {
      hub.requests.length = 0;
      await downloadRepository("org/model", await temporaryFolder(), {
        env: { HF_ENDPOINT: hub.endpoint, ...env },
      });
      return hub.requests[0]?.authorization;
    };
    expect(await sent({ HF_TOKEN: " hf_variable\n", HF_HOME: home })).toBe("Bearer hf_variable");
    expect(await sent({ HF_HOME: home })).toBe("Bearer hf_file");
    expect(await sent({ HF_TOKEN_PATH: join(home, "token"), HF_HOME: "/nowhere" })).toBe("Bearer hf_file");
    expect(await sent({ HF_HOME: home, HF_HUB_DISABLE_IMPLICIT_TOKEN: "1" })).toBeUndefined();
    expect(await sent({ HF_HOME: "/nowhere" })).toBeUndefined();
  });
});
