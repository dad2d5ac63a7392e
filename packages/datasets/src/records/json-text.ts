/** Texts as they are, numbers, and the NaN of Python's `json`. */
const TOKEN = /"[^"\\]*(?:\\[\s\S][^"\\]*)*"|-?\d[\d.eE+-]*|NaN/g;

/**
 * Parses JSON whose numbers keep their digits: those that JavaScript would write in another way (9007199254740993, 1.0) are given as
 * text. NaN, which Python writes for what is missing, is null.
 * @throws {SyntaxError} as `JSON.parse`
 */
export function parseJson(text: string): unknown {
  return JSON.parse(text.replace(TOKEN, exactToken));
}

function exactToken(token: string): string {
  if (token.startsWith('"')) return token;
  if (token === "NaN") return "null";
  if (String(Number(token)) === token) return token;
  // What JSON does not allow as a number stays, to be refused.
  return /^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$/.test(token) ? `"${token}"` : token;
}
