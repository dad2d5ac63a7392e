/** Base64 of what PNG, JPEG, GIF, WebP and BMP files begin with. */
const BEGINNINGS = ["iVBORw0KGgo", "/9j/", "R0lGOD", "UklGR", "Qk"];
/** Characters that no path has and every image does. */
const SHORTEST_IMAGE = 300;

/** The bytes of an image that stands in the data itself, as a data URL or as base64; undefined where the text is a name. */
export function inlineImage(text: string): Uint8Array | undefined {
  const url = /^data:image\/[\w.+-]+;base64,/.exec(text.slice(0, 100));
  if (url !== null) return Buffer.from(text.slice(url[0].length), "base64");
  if (text.length < SHORTEST_IMAGE || !BEGINNINGS.some((beginning) => text.startsWith(beginning)))
    return undefined;
  return /^[A-Za-z0-9+/\s]+=*\s*$/.test(text) ? Buffer.from(text, "base64") : undefined;
}
