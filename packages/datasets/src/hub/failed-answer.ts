import { HubError, type HubErrorDetails } from "./hub-error.ts";
import { parseRetryAfter } from "./retry.ts";

/** What a message about an answer may draw on. */
export interface RequestContext {
  /** Repository, and file if one was asked for. */
  readonly what: string;
  readonly repository: string;
  readonly endpoint: string;
  readonly token: string | undefined;
}

/** Characters of a server's own words that a message takes along. */
const LONGEST_REASON = 200;

/** The error that an answer other than a success stands for. Reads the body, which may hold the server's reason. */
export async function failedAnswer(response: Response, context: RequestContext): Promise<HubError> {
  const { what, repository, endpoint, token } = context;
  const hasToken = token !== undefined;
  const { status } = response;
  const code = response.headers.get("x-error-code") ?? "";
  const reason = await serverReason(response, context);
  const details = { status, ...retryDetails(response) };
  const page = `${endpoint}/${repository}`;

  if (code === "GatedRepo" || (status === 403 && /gated|restricted|awaiting/i.test(reason))) {
    const hint = hasToken
      ? `ask for access at ${page} with the account that the token belongs to`
      : `ask for access at ${page}, then set HF_TOKEN to a token of that account`;
    return new HubError(hasToken ? "forbidden" : "unauthorized", `${what}: is gated, ${whose(hasToken)}`, {
      ...details,
      hint,
    });
  }
  if (status === 401) {
    const hint = hasToken
      ? "the token may have expired or be mistyped: make another in the hub's settings and set HF_TOKEN to it"
      : "if it is private or gated, set HF_TOKEN to a token that may read it; else check the spelling";
    return new HubError("unauthorized", `${what}: is not there, or not for everyone: ${whose(hasToken)}`, {
      ...details,
      hint,
    });
  }
  if (status === 403) {
    return new HubError("forbidden", `${what}: the hub refuses access${reason}`, {
      ...details,
      hint: `see ${page}; a fine-grained token must allow reading this repository`,
    });
  }
  if (status === 404 || status === 410) {
    return new HubError("not-found", `${what}: ${notFound(code)}`, {
      ...details,
      hint: "check the spelling",
    });
  }
  if (status === 429) {
    return new HubError("rate-limited", `${what}: the hub asks to slow down (429)${reason}`, {
      ...details,
      hint: "wait a few minutes, set HF_TOKEN (logged-in accounts may ask more often), or lower the concurrency",
    });
  }
  const server = status >= 500 || status === 408;
  return new HubError(
    server ? "server-error" : "unexpected-answer",
    `${what}: the server answered ${status}${reason}`,
    details,
  );
}

/** The error that a request which got no answer stands for. */
export function unreachable(error: unknown, { what, endpoint }: RequestContext): HubError {
  const { cause } = error as { cause?: { code?: string; message?: string } };
  const reason = cause?.code ?? cause?.message ?? (error instanceof Error ? error.message : String(error));
  return new HubError("network", `${what}: ${new URL(endpoint).host} cannot be reached (${reason})`, {
    transient: true,
    hint: "check the connection; offline (HF_HUB_OFFLINE=1) what is on disk can be used",
  });
}

function whose(hasToken: boolean): string {
  return hasToken ? "and the token does not open it" : "and no token was sent";
}

function notFound(code: string): string {
  if (code === "RevisionNotFound") return "has no such revision";
  if (code === "EntryNotFound") return "there is no such file";
  return code === "RepoNotFound" ? "there is no such repository" : "is not there";
}

function retryDetails(response: Response): HubErrorDetails {
  const { status } = response;
  if (status !== 429 && status !== 408 && status < 500) return {};
  const retryAfter = parseRetryAfter(response.headers.get("retry-after"));
  return { transient: true, ...(retryAfter === undefined ? {} : { retryAfter }) };
}

/** `: <what the server says>`, without markup, line breaks, or a token that it may have echoed; empty where it says nothing. */
async function serverReason(response: Response, { token }: RequestContext): Promise<string> {
  let text = response.headers.get("x-error-message") ?? "";
  if (text === "") {
    const body = await response.text().catch(() => "");
    text = jsonError(body) ?? (body.trimStart().startsWith("<") ? "" : body);
  } else await response.body?.cancel();
  if (token !== undefined) text = text.replaceAll(token, "(token)");
  text = text
    .replace(/hf_\w+/g, "(token)")
    .replace(/\s+/g, " ")
    .trim();
  return text === "" ? "" : `: ${text.slice(0, LONGEST_REASON)}`;
}

function jsonError(body: string): string | undefined {
  try {
    const { error } = JSON.parse(body) as { error?: unknown };
    return typeof error === "string" ? error : undefined;
  } catch {
    return undefined;
  }
}
