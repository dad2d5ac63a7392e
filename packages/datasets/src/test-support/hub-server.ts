import { createHash } from "node:crypto";
import { once } from "node:events";
import {
  createServer,
  type IncomingMessage,
  type OutgoingHttpHeaders,
  type Server,
  type ServerResponse,
} from "node:http";
import type { AddressInfo } from "node:net";

/** Path → bytes of a repository's files. Those of `LARGE` bytes and more are stored apart, as the hub does with LFS. */
export type Files = Readonly<Record<string, Uint8Array | string>>;

/** Bytes from which a file is stored on the other host and named by its SHA-256. */
export const LARGE = 1000;

/** Files on a page of a listing: few, so that tests turn pages. */
const PAGE = 3;

export interface Request {
  readonly method: string;
  readonly host: "hub" | "storage";
  readonly path: string;
  readonly range: string | undefined;
  readonly authorization: string | undefined;
}

/** Answers a request in the server's place; returns false to leave it to the server. */
export type Misbehaviour = (request: Request, response: ServerResponse, bytes: Buffer) => boolean;

export interface HubServer extends AsyncDisposable {
  readonly endpoint: string;
  readonly storage: string;
  readonly requests: Request[];
  /** Asked before every answer. */
  misbehave: Misbehaviour;
}

export const commitOf = (files: Files) => createHash("sha1").update(Object.keys(files).join()).digest("hex");

/**
 * A hub on this machine: the API that @huggingface/hub calls, and files that it serves itself or redirects to another host (another
 * port). `repositories`: `org/name` or `datasets/org/name` → files.
 */
export async function startHub(repositories: Readonly<Record<string, Files>>): Promise<HubServer> {
  const requests: Request[] = [];
  const blobs = new Map<string, Buffer>();
  const hub: HubServer = {
    endpoint: "",
    storage: "",
    requests,
    misbehave: () => false,
    async [Symbol.asyncDispose]() {
      for (const server of [api, storage]) {
        server.closeAllConnections();
        server.close();
      }
    },
  };
  const answer = (
    host: Request["host"],
    handle: (request: Request, body: string) => [Buffer, OutgoingHttpHeaders] | number,
  ) =>
    createServer(async (incoming, response) => {
      const request = describe(host, incoming);
      requests.push(request);
      let body = "";
      for await (const chunk of incoming) body += chunk;
      const found = handle(request, body);
      const bytes = typeof found === "number" ? Buffer.alloc(0) : found[0];
      if (hub.misbehave(request, response, bytes)) return;
      if (typeof found === "number") {
        const code = { 401: "RepoNotFound", 404: "EntryNotFound" }[found];
        response.writeHead(found, code === undefined ? {} : { "x-error-code": code }).end();
      } else send(request, response, bytes, found[1]);
    });

  const api = answer("hub", ({ path }) => {
    const url = new URL(path, hub.endpoint);
    for (const [id, files] of Object.entries(repositories)) {
      const commit = commitOf(files);
      const plain = id.startsWith("datasets/") ? id : `models/${id}`;
      if (url.pathname.startsWith(`/api/${plain}/revision/`)) {
        return [json({ _id: "1", id, sha: commit, private: false, lastModified: "2026-01-01" }), {}];
      }
      if (url.pathname.startsWith(`/api/${plain}/tree/${commit}`)) {
        const folder = decodeURIComponent(url.pathname.split(`/tree/${commit}`)[1] as string).slice(1);
        const entries = entriesOf(files, folder);
        const from = Number(url.searchParams.get("cursor") ?? 0);
        const more = entries.length > from + PAGE;
        url.searchParams.set("cursor", String(from + PAGE));
        return [json(entries.slice(from, from + PAGE)), more ? { link: `<${url.href}>; rel="next"` } : {}];
      }
      if (url.pathname.startsWith(`/${id}/resolve/${commit}/`)) {
        const file = decodeURIComponent(url.pathname.split(`/resolve/${commit}/`)[1] as string);
        const content = files[file];
        if (content === undefined) return 404;
        const bytes = Buffer.from(content);
        if (bytes.length < LARGE) return [bytes, {}];
        blobs.set(sha256(bytes), bytes);
        return [Buffer.alloc(0), { location: `${hub.storage}/${sha256(bytes)}?signature=secret` }];
      }
    }
    return 401;
  });
  const storage = answer("storage", ({ path }) => {
    const bytes = blobs.get(path.slice(1, 65));
    return bytes === undefined ? 404 : [bytes, {}];
  });
  return Object.assign(hub, { endpoint: await listen(api), storage: await listen(storage) });
}

async function listen(server: Server): Promise<string> {
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

function describe(host: Request["host"], { method = "", url = "", headers }: IncomingMessage): Request {
  return { method, host, path: url, range: headers.range, authorization: headers.authorization };
}

function send(request: Request, response: ServerResponse, bytes: Buffer, headers: OutgoingHttpHeaders) {
  if ("location" in headers) return response.writeHead(302, headers).end();
  const first = Number(/^bytes=(\d+)-/.exec(request.range ?? "")?.[1] ?? 0);
  if (request.range === undefined) {
    return response.writeHead(200, { "content-length": bytes.length, ...headers }).end(bytes);
  }
  if (first >= bytes.length) return response.writeHead(416).end();
  const range = `bytes ${first}-${bytes.length - 1}/${bytes.length}`;
  const rest = bytes.subarray(first);
  return response.writeHead(206, { "content-range": range, "content-length": rest.length }).end(rest);
}

/** What the hub lists in a folder: files with their hashes, and folders. */
function entriesOf(files: Files, folder: string): object[] {
  const prefix = folder === "" ? "" : `${folder}/`;
  const inside = Object.keys(files).filter((path) => path.startsWith(prefix));
  const folders = new Set(
    inside
      .map((path) => path.slice(prefix.length).split("/"))
      .flatMap((parts) => (parts.length > 1 ? [parts[0]] : [])),
  );
  const directories = [...folders].map((name) => ({
    type: "directory",
    path: `${prefix}${name}`,
    size: 0,
    oid: "0",
  }));
  const own = inside.filter((path) => !path.slice(prefix.length).includes("/"));
  return [...directories, ...own.map((path) => fileEntry(path, Buffer.from(files[path] as Uint8Array)))];
}

function fileEntry(path: string, bytes: Buffer): object {
  const { length: size } = bytes;
  const oid = createHash("sha1").update(`blob ${size}\0`).update(bytes).digest("hex");
  if (size < LARGE) return { type: "file", path, size, oid };
  return {
    type: "file",
    path,
    size,
    oid: "0".repeat(40),
    lfs: { oid: sha256(bytes), size, pointerSize: 130 },
  };
}

function json(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value));
}

function sha256(bytes: Uint8Array): string {
  return createHash("sha256").update(bytes).digest("hex");
}
