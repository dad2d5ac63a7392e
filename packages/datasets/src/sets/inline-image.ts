/** Base64 of what PNG, JPEG, GIF, WebP and BMP files begin with. */
const BEGINNINGS = ["iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "Qk"];
/** Characters that no path has and every image does. */
const SHORTEST_IMAGE = 300;
const DATA_URL = /^data:image\/[\w.+-]+;base64,/;

/** Whether a text is an image itself, as a data URL or as base64, and not the name of one. */
export function isInlineImage(text: string): boolean {
  if (DATA_URL.test(text.slice(0, 100))) return true;
  if (text.length < SHORTEST_IMAGE || !BEGINNINGS.some((beginning) => text.startsWith(beginning)))
    return false;
  return /^[A-Za-z0-9+/\s]+=*\s*$/.test(text);
}

/** The bytes of an image that stands in the data itself. */
export function inlineImageBytes(text: string): Uint8Array {
  return Buffer.from(text.replace(DATA_URL, ""), "base64");
}
