/** Base64 of what PNG, JPEG, GIF, WebP and BMP files begin with, and characters of the shortest text that is one and no path. */
const BEGINNINGS: readonly (readonly [text: string, shortest: number])[] = [
  ["iVBORw0KGgo", 60],
  ["/9j/", 300],
  ["R0lGOD", 300],
  ["UklGR", 300],
  ["Qk", 300],
];
const DATA_URL = /^data:image\/[\w.+-]+;base64,/;

/** Whether a text is an image itself, as a data URL or as base64, and not the name of one. */
export function isInlineImage(text: string): boolean {
  if (DATA_URL.test(text.slice(0, 100))) return true;
  if (!BEGINNINGS.some(([begins, shortest]) => text.length >= shortest && text.startsWith(begins)))
    return false;
  return /^[A-Za-z0-9+/\s]+=*\s*$/.test(text);
}

/** The bytes of an image that stands in the data itself. */
export function inlineImageBytes(text: string): Uint8Array {
  return Buffer.from(text.replace(DATA_URL, ""), "base64");
}
