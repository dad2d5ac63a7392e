import { type Environment, findAccessToken, isOn } from "./access-token.ts";
import { failedAnswer, unreachable } from "./failed-answer.ts";
import { HubError } from "./hub-error.ts";
import { type RetryOptions, withRetries } from "./retry.ts";

/** As many as browsers follow. */
const MOST_REDIRECTS = 20;

export interface HubOptions extends RetryOptions {
  /** URL of the hub. Default: HF_ENDPOINT, else the public Hugging Face hub. */
  readonly endpoint?: string;
  /** Access token; `false` sends none. Default: HF_TOKEN, else the file that the hub's own log-in writes. */
  readonly token?: string | false;
  /** Never touch the network: use what is on disk, and say what is missing. Default: HF_HUB_OFFLINE. */
  readonly offline?: boolean;
  /** Milliseconds without a byte after which a request is cut off and made again. Default 30,000. */
  readonly stallTimeout?: number;
  /** Instead of the platform's, for proxies and tests. It must not follow redirects when told `redirect: "manual"`. */
  readonly fetch?: typeof fetch;
  readonly env?: Environment;
}

/** What a request is about, for messages. */
export interface Subject {
  /** `org/name`, or `datasets/org/name`. */
  readonly repository: string;
  /** Path within the repository. */
  readonly file?: string;
}

/** A hub, and how to ask it. It keeps the token to itself. */
export interface HubConnection {
  readonly endpoint: string;
  readonly offline: boolean;
  readonly retry: RetryOptions;
  /**
   * One request, redirects followed, the token sent to the hub's own origin alone.
   * @throws {HubError} for every answer that is not a success, except 416
   */
  request(url: string, subject: Subject, init?: RequestInit): Promise<HubResponse>;
  /** `fetch` for the hub's API: retries, and answers once the whole body is there. */
  readonly api: typeof fetch;
}

export interface HubResponse {
  readonly response: Response;
  /** The body's chunks as they arrive. @throws {HubError} when none has come for `stallTimeout`, or the connection breaks */
  chunks(): AsyncGenerator<Uint8Array>;
  /** Ends the request; what has not been read is thrown away. */
  cancel(): void;
}

export async function connectHub(options: HubOptions = {}): Promise<HubConnection> {
  const { env = process.env, stallTimeout = 30_000, signal } = options;
  const endpoint = (options.endpoint ?? env.HF_ENDPOINT ?? (await publicEndpoint())).replace(/\/+$/, "");
  const offline = options.offline ?? isOn(env.HF_HUB_OFFLINE);
  const fetchOnce = options.fetch ?? fetch;
  const token = options.token === undefined ? await findAccessToken(env) : options.token || undefined;
  const { origin } = parseEndpoint(endpoint);

  async function request(url: string, subject: Subject, init: RequestInit = {}): Promise<HubResponse> {
    const { repository, file } = subject;
    const what = file === undefined ? repository : `${repository}/${file}`;
    if (offline) throw new HubError("offline", `${what}: offline, and not on disk`);
    const signals = [signal, init.signal].filter((given) => given !== undefined && given !== null);
    const stall = stallWatch(stallTimeout, what, AbortSignal.any(signals));
    const context = { what, repository, endpoint, token };
    try {
      let target = new URL(url, endpoint);
      for (let redirects = 0; ; redirects++) {
        const headers = new Headers(init.headers);
        // Another host, another port, or the same host without encryption: none of them is the hub.
        if (token !== undefined && target.origin === origin) headers.set("authorization", `Bearer ${token}`);
        const response = await fetchOnce(target, {
          ...init,
          headers,
          redirect: "manual",
          signal: stall.signal,
        });
        stall.moved();
        const location = response.headers.get("location");
        const isRedirect = response.status >= 300 && response.status < 400 && location !== null;
        if (!isRedirect) {
          if (!response.ok && response.status !== 416) {
            throw await failedAnswer(await whole(response, stall.chunks(response)), context);
          }
          return { response, chunks: () => stall.chunks(response), cancel: stall.cancel };
        }
        response.body?.cancel().catch(() => {});
        if (redirects === MOST_REDIRECTS) {
          throw new HubError("unexpected-answer", `${what}: more than ${MOST_REDIRECTS} redirects`);
        }
        target = redirectTarget(location, target, what);
      }
    } catch (error) {
      stall.cancel();
      throw stall.explain(error) ?? unreachable(error, context);
    }
  }

  const api: typeof fetch = async (input, init) => {
    const url = input instanceof Request ? input.url : String(input);
    const subject = { repository: repositoryIn(url) };
    return withRetries(async () => {
      const { response, chunks } = await request(url, subject, init);
      return whole(response, chunks());
    }, options);
  };

  return { endpoint, offline, retry: options, request, api };
}

/** The same answer with all of its body there. */
async function whole({ status, headers }: Response, chunks: AsyncIterable<Uint8Array>): Promise<Response> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of chunks) parts.push(chunk as Uint8Array<ArrayBuffer>);
  return new Response(new Blob(parts), { status, headers });
}

async function publicEndpoint(): Promise<string> {
  const { HUB_URL } = await import("@huggingface/hub");
  return HUB_URL;
}

function parseEndpoint(endpoint: string): URL {
  if (URL.canParse(endpoint) && /^https?:/.test(endpoint)) return new URL(endpoint);
  throw new HubError("invalid-argument", `the hub's address ${JSON.stringify(endpoint)} is not a URL`, {
    hint: "set HF_ENDPOINT, or the option endpoint, to something like https://hub.example",
  });
}

function redirectTarget(location: string, from: URL, what: string): URL {
  if (URL.canParse(location, from.href)) {
    const target = new URL(location, from);
    if (target.protocol === "https:" || target.protocol === from.protocol) return target;
  }
  throw new HubError(
    "unexpected-answer",
    `${what}: ${from.host} redirects to something that is not a web page`,
  );
}

/** `org/name` of an API address, for messages. */
function repositoryIn(url: string): string {
  const match = /\/api\/(models|datasets|spaces)\/([^/]+\/[^/?]+|[^/?]+)/.exec(url);
  if (match === null) return new URL(url).host;
  return match[1] === "models" ? (match[2] as string) : `${match[1]}/${match[2]}`;
}

/** Cuts a request off when nothing has come for `timeout` ms, and tells that apart from the caller's own abort. */
function stallWatch(timeout: number, what: string, outer: AbortSignal) {
  const controller = new AbortController();
  let stalled = false;
  const timer = setTimeout(() => {
    stalled = true;
    controller.abort();
  }, timeout);
  const explain = (error: unknown): unknown => {
    if (outer.aborted) return outer.reason;
    if (error instanceof HubError) return error;
    if (!stalled) return undefined;
    return new HubError("stalled", `${what}: nothing has come for ${timeout / 1000} s`, { transient: true });
  };
  const cancel = () => {
    clearTimeout(timer);
    controller.abort();
  };
  const signal = AbortSignal.any([controller.signal, outer]);
  return {
    signal,
    moved: () => void timer.refresh(),
    cancel,
    explain,
    async *chunks(response: Response): AsyncGenerator<Uint8Array> {
      const reader = response.body?.getReader();
      // Node's fetch may leave a read pending for ever that an abort overtakes; letting go of the body ends it.
      const letGo = () => reader?.releaseLock();
      signal.addEventListener("abort", letGo, { once: true });
      try {
        while (reader !== undefined) {
          signal.throwIfAborted();
          const { done, value } = await reader.read();
          if (done) return;
          timer.refresh();
          yield value;
        }
      } catch (error) {
        throw (
          explain(error) ??
          new HubError("network", `${what}: the connection broke off`, { transient: true, cause: error })
        );
      } finally {
        cancel();
      }
    },
  };
}
