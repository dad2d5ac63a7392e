import type { HubConnection } from "./hub-connection.ts";
import { HubError } from "./hub-error.ts";
import type { HubFile } from "./hub-file.ts";
import { PartialFile } from "./partial-file.ts";
import { withRetries } from "./retry.ts";

/** Times that a file may arrive whole with other bytes than the hub lists, before that is an error. */
const MOST_CORRUPT_ARRIVALS = 2;

export interface FileDownload {
  readonly url: string;
  /** For messages: `org/name`, or `datasets/org/name`. */
  readonly repository: string;
  readonly file: HubFile;
  /** Where the file goes once it is whole and its hash is right. */
  readonly target: string;
  /** Where bytes are kept until then. */
  readonly partial: string;
  /** Told the bytes of the file that are there: at first those of an earlier download; fewer than before where it begins anew. */
  readonly onOffset?: (bytes: number) => void;
  readonly signal?: AbortSignal;
}

/**
 * Brings one file, going on where an earlier attempt stopped, in this run or another, and verifies size and hash before it takes its
 * name. @throws {HubError} when it cannot be had; what has arrived stays for the next run
 */
export async function downloadFile(connection: HubConnection, download: FileDownload): Promise<void> {
  const { file, target, signal, onOffset } = download;
  const what = `${download.repository}/${file.path}`;
  await using partial = await PartialFile.open(download.partial, file, signal);
  let furthest = partial.offset;
  let corruptArrivals = 0;
  onOffset?.(partial.offset);

  await withRetries(
    async (progressed) => {
      for await (const chunk of remainingChunks(connection, download, what, partial)) {
        await partial.append(chunk);
        onOffset?.(partial.offset);
        if (partial.offset > furthest) {
          furthest = partial.offset;
          progressed();
        }
      }
      if (await partial.finish(target)) return;
      onOffset?.(0);
      const transient = ++corruptArrivals < MOST_CORRUPT_ARRIVALS;
      throw new HubError(
        "corrupt",
        `${what}: arrived with other bytes than those the hub lists (${file.id})`,
        {
          transient,
          hint: "something on the way changes the bytes, a proxy perhaps; nothing of it was kept",
        },
      );
    },
    { ...connection.retry, ...(signal === undefined ? {} : { signal }) },
  );
}

/** The bytes from the partial file's offset to the end of the file. Where the server cannot go on from there, it begins anew. */
async function* remainingChunks(
  connection: HubConnection,
  { url, repository, file, onOffset, signal }: FileDownload,
  what: string,
  partial: PartialFile,
): AsyncGenerator<Uint8Array> {
  if (partial.offset === file.size) return;
  const beginAnew = async () => {
    await partial.restart();
    onOffset?.(0);
  };
  // A compressed body could neither be counted nor gone on with.
  const headers: Record<string, string> = { "accept-encoding": "identity" };
  if (partial.offset > 0) headers.range = `bytes=${partial.offset}-`;
  const answer = await connection.request(
    url,
    { repository, file: file.path },
    { headers, signal: signal ?? null },
  );
  try {
    const problem =
      partial.offset > 0 && answer.response.status !== 200
        ? rangeProblem(answer.response, partial, file)
        : undefined;
    if (problem !== undefined) {
      await beginAnew();
      throw new HubError("unexpected-answer", `${what}: ${problem}`, {
        transient: true,
        status: answer.response.status,
      });
    }
    if (partial.offset > 0 && answer.response.status === 200) await beginAnew();
    for await (const chunk of answer.chunks()) {
      if (partial.offset + chunk.length > file.size) {
        await beginAnew();
        throw new HubError("corrupt", `${what}: more bytes came than the ${file.size} that the hub lists`, {
          transient: true,
        });
      }
      yield chunk;
    }
  } finally {
    answer.cancel();
  }
  if (partial.offset < file.size) {
    throw new HubError("network", `${what}: ended after ${partial.offset} of ${file.size} bytes`, {
      transient: true,
    });
  }
}

/** Why an answer to a request for the bytes from `offset` on cannot be appended to what is there. */
function rangeProblem(response: Response, { offset }: PartialFile, { size }: HubFile): string | undefined {
  if (response.status === 416) return `the server has nothing after byte ${offset} (416)`;
  const range = response.headers.get("content-range") ?? "no range";
  const [, first, total] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(range) ?? [];
  if (Number(first) === offset && (total === "*" || Number(total) === size)) return undefined;
  return `bytes from ${offset} of ${size} were asked for, and the server sent ${range}`;
}
