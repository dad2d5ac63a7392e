import { inflateRawSync } from "node:zlib";
import { DatasetError } from "../dataset-error.ts";

/** Bytes of an unpacked file, at most: a table of answers is smaller. */
const MOST_BYTES = 1e9;

/**
 * The rows of the first sheet of an Excel table (.xlsx), its first row the names of columns. Dates are numbers, formulas their last results.
 * @throws {DatasetError} where it is none
 */
export function xlsxRows(bytes: Uint8Array, name: string): Record<string, unknown>[] {
  const files = zipFiles(bytes, name);
  const read = (path: string) => files.get(path)?.() ?? "";
  const [sheet] = [...files.keys()]
    .filter((path) => /^xl\/worksheets\/[^/]+\.xml$/.test(path))
    .sort(byNumber);
  if (sheet === undefined) throw unreadable(name, "holds no sheet");
  const shared = elements(read("xl/sharedStrings.xml"), "si").map(({ inner }) => textIn(inner));
  const rows = elements(read(sheet), "row").map(({ inner }) => {
    const cells: unknown[] = [];
    for (const { attributes, inner: cell } of elements(inner, "c")) {
      const place = columnOf(/\br="([A-Z]+)\d*"/.exec(attributes)?.[1]) ?? cells.length;
      cells[place] = cellValue(/\bt="(\w+)"/.exec(attributes)?.[1], cell, shared);
    }
    return cells;
  });
  const [names = [], ...others] = rows;
  return others.map((cells) =>
    Object.fromEntries(names.map((column, i) => [String(column), cells[i] ?? null])),
  );
}

function cellValue(type: string | undefined, cell: string, shared: readonly string[]): unknown {
  const [value] = elements(cell, "v");
  if (type === "inlineStr") return textIn(cell);
  if (value === undefined) return null;
  const text = unescaped(value.inner);
  if (type === "s") return shared[Number(text)] ?? "";
  if (type === "b") return text === "1";
  return type === undefined || type === "n" ? Number(text) : text;
}

/** Texts of all runs; how they are pronounced is not said. */
function textIn(xml: string): string {
  return elements(xml.replace(/<rPh\b[\s\S]*?<\/rPh>/g, ""), "t")
    .map(({ inner }) => unescaped(inner))
    .join("");
}

/** Elements of a name, which do not hold each other. */
function elements(xml: string, name: string): { attributes: string; inner: string }[] {
  const pattern = new RegExp(`<${name}(\\s[^>]*?)?(?:/>|>([\\s\\S]*?)</${name}>)`, "g");
  return [...xml.matchAll(pattern)].map(({ 1: attributes = "", 2: inner = "" }) => ({ attributes, inner }));
}

const ENTITIES: Readonly<Record<string, string>> = { lt: "<", gt: ">", amp: "&", quot: '"', apos: "'" };

function unescaped(text: string): string {
  return text
    .replace(/&(#x?[0-9a-fA-F]+|\w+);/g, (whole, entity: string) => {
      if (!entity.startsWith("#")) return ENTITIES[entity] ?? whole;
      const code = entity.startsWith("#x") ? Number.parseInt(entity.slice(2), 16) : Number(entity.slice(1));
      return String.fromCodePoint(code);
    })
    .replace(/_x([0-9A-Fa-f]{4})_/g, (_, code: string) => String.fromCharCode(Number.parseInt(code, 16)));
}

/** A is 0. */
function columnOf(letters: string | undefined): number | undefined {
  if (letters === undefined) return undefined;
  return [...letters].reduce((place, letter) => 26 * place + letter.charCodeAt(0) - 64, 0) - 1;
}

/** sheet2 before sheet10. */
function byNumber(a: string, b: string): number {
  return a.localeCompare(b, "en", { numeric: true });
}

/** Texts of a ZIP archive's files, unpacked when they are asked for. */
function zipFiles(bytes: Uint8Array, name: string): Map<string, () => string> {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let end = bytes.length - 22;
  while (end >= 0 && view.getUint32(end, true) !== 0x06054b50) end--;
  if (end < 0) throw unreadable(name, "is no Excel table: its directory is missing");
  const files = new Map<string, () => string>();
  let at = view.getUint32(end + 16, true);
  try {
    for (let left = view.getUint16(end + 10, true); left > 0; left--) {
      if (view.getUint32(at, true) !== 0x02014b50)
        throw unreadable(name, "is no Excel table: its directory is broken");
      const method = view.getUint16(at + 10, true);
      const size = view.getUint32(at + 20, true);
      const [nameLength, extra, comment] = [28, 30, 32].map((offset) =>
        view.getUint16(at + offset, true),
      ) as [number, number, number];
      const header = view.getUint32(at + 42, true);
      const path = Buffer.from(bytes.subarray(at + 46, at + 46 + nameLength)).toString("utf8");
      const begin = header + 30 + view.getUint16(header + 26, true) + view.getUint16(header + 28, true);
      const packed = bytes.subarray(begin, begin + size);
      files.set(path, () =>
        (method === 0
          ? Buffer.from(packed)
          : inflateRawSync(packed, { maxOutputLength: MOST_BYTES })
        ).toString("utf8"),
      );
      at += 46 + nameLength + extra + comment;
    }
  } catch (error) {
    if (error instanceof RangeError) throw unreadable(name, "is no Excel table: it breaks off");
    throw error;
  }
  return files;
}

function unreadable(name: string, problem: string): DatasetError {
  return new DatasetError("unreadable-file", `${name}: ${problem}`, {
    hint: "save it anew as .xlsx, or as CSV",
  });
}
