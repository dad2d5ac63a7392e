import { createReadStream } from "node:fs";
import { DatasetError } from "../dataset-error.ts";

/** Names of ISO 8859-1 and Windows-1252, which Node's own decoder takes for each other in some versions. */
const LATIN_1 = ["latin1", "latin-1", "latin_1", "l1", "iso-8859-1", "iso8859-1", "iso_8859-1"];
const WINDOWS_1252 = ["windows-1252", "cp1252", "cp-1252"];
/** Windows-1252 from 0x80 to 0x9f; where it has no character it has the control that ISO 8859-1 has. */
const WINDOWS_ONLY = "€\x81‚ƒ„…†‡ˆ‰Š‹Œ\x8dŽ\x8f\x90‘’“”•–—˜™š›œ\x9džŸ";

interface Decoder {
  decode(bytes: Uint8Array, options: { readonly stream: boolean }): string;
}

/**
 * The text of a file, piece by piece: UTF-8, or UTF-16 where its byte order mark says so, unless told.
 * @param encoding `latin1`, `windows-1252`, `shift_jis` and whatever else `TextDecoder` knows
 * @throws {DatasetError} for bytes that are no text in that encoding, with their line
 */
export async function* textPieces(path: string, encoding?: string): AsyncGenerator<string> {
  let decoder: Decoder | undefined;
  let name = encoding ?? "utf-8";
  try {
    for await (const bytes of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
      if (decoder === undefined) {
        name = encoding ?? markedEncoding(bytes) ?? "utf-8";
        decoder = decoderOf(name, path);
      }
      yield decoder.decode(bytes, { stream: true });
    }
    if (decoder !== undefined) yield decoder.decode(new Uint8Array(), { stream: false });
  } catch (error) {
    if (!(error instanceof TypeError)) throw error;
    throw await invalidText(path, name);
  }
}

/** The whole text of a file, as `textPieces` reads it. */
export async function wholeText(path: string, encoding?: string): Promise<string> {
  let text = "";
  for await (const piece of textPieces(path, encoding)) text += piece;
  return text;
}

/** Lines without their ends: line feeds alone end lines, since JSON allows all else within a text. */
export async function* textLines(path: string, encoding?: string): AsyncGenerator<string> {
  let rest = "";
  for await (const piece of textPieces(path, encoding)) {
    const lines = (rest + piece).split("\n");
    rest = lines.pop() ?? "";
    yield* lines;
  }
  yield rest;
}

/** Text that must be UTF-8; undefined where it is not. */
export function utf8Text(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return undefined;
  }
}

function markedEncoding([first, second]: Uint8Array): string | undefined {
  if (first === 0xff && second === 0xfe) return "utf-16le";
  return first === 0xfe && second === 0xff ? "utf-16be" : undefined;
}

function decoderOf(name: string, path: string): Decoder {
  const known = name.trim().toLowerCase();
  if (LATIN_1.includes(known)) return { decode: (bytes) => Buffer.from(bytes).toString("latin1") };
  if (WINDOWS_1252.includes(known)) {
    const windows = (control: string) => WINDOWS_ONLY[control.charCodeAt(0) - 0x80] ?? control;
    return {
      decode: (bytes) =>
        Buffer.from(bytes)
          .toString("latin1")
          .replace(/[\x80-\x9f]/g, windows),
    };
  }
  try {
    return new TextDecoder(known, { fatal: true });
  } catch {
    throw new DatasetError("unreadable-file", `${path}: there is no encoding ${JSON.stringify(name)}`, {
      hint: "such are utf-8, utf-16le, latin1, windows-1252, shift_jis, gb18030, euc-kr",
    });
  }
}

async function invalidText(path: string, encoding: string): Promise<DatasetError> {
  const isUtf8 = /^utf-?8$/i.test(encoding.trim());
  const place = isUtf8 ? await invalidPlace(path) : "";
  return new DatasetError("unreadable-file", `${path}: ${place}is not valid ${encoding.toUpperCase()}`, {
    hint: isUtf8
      ? "save it as UTF-8, or say which encoding it has (encoding: latin1)"
      : "say which encoding it has",
  });
}

/** The first byte that is not UTF-8, by its line. */
async function invalidPlace(path: string): Promise<string> {
  let [line, rest] = [1, Buffer.alloc(0)];
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 }) as AsyncIterable<Buffer>) {
    const bytes = Buffer.concat([rest, chunk]);
    let start = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      const found = invalidByte(bytes.subarray(start, end));
      if (found !== undefined) return `line ${line}: ${found} `;
      start = end + 1;
      line++;
    }
    rest = bytes.subarray(start);
  }
  return `line ${line}: ${invalidByte(rest) ?? "its end"} `;
}

function invalidByte(line: Uint8Array): string | undefined {
  if (utf8Text(line) !== undefined) return undefined;
  // The longest beginning that is valid ends within or before the character that is not.
  let [valid, invalid] = [0, line.length + 1];
  while (invalid - valid > 1) {
    const middle = (valid + invalid) >> 1;
    if (beginning(line.subarray(0, middle)) === undefined) invalid = middle;
    else valid = middle;
  }
  const place = Buffer.byteLength(beginning(line.subarray(0, valid)) ?? "");
  return `byte 0x${(line[place] ?? 0).toString(16).padStart(2, "0")} at column ${place + 1}`;
}

/** The whole characters of valid UTF-8 whose last one may go on. */
function beginning(bytes: Uint8Array): string | undefined {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes, { stream: true });
  } catch {
    return undefined;
  }
}
