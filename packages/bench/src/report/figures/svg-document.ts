import { createRequire } from "node:module";
import { Resvg } from "@resvg/resvg-js";
import { parseHTML } from "linkedom";

const require = createRequire(import.meta.url);
/** Machines without fonts draw the same text. */
const FONTS = [
  require.resolve("@expo-google-fonts/inter/400Regular/Inter_400Regular.ttf"),
  require.resolve("@expo-google-fonts/inter/600SemiBold/Inter_600SemiBold.ttf"),
];

export const FONT = "Inter, system-ui, -apple-system, 'Segoe UI', Roboto, sans-serif";
export const INK = "#1f2328";
export const FAINT_INK = "#59636e";
export const GRID = "#d8dee4";
export const PAPER = "#ffffff";

/** Figures are drawn for light pages; where the reader's are dark, these take over. */
const DARK = `@media (prefers-color-scheme: dark) {
  .paper { fill: #0d1117; } .ink, .ink text { fill: #e6edf3; } .faint, .faint text { fill: #9198a1; }
  .grid line, .grid path, line.grid { stroke: #30363d; } .edge { stroke: #0d1117; } .front { stroke: #9198a1; }
}`;

/** A document to draw in, without a browser. */
export function drawingDocument(): Document {
  return parseHTML("<!doctype html><html><body></body></html>").document as unknown as Document;
}

/** A drawing as a file of its own. */
export function svgFile(svg: Element, title: string): string {
  svg.setAttribute("xmlns", "http://www.w3.org/2000/svg");
  svg.setAttribute("role", "img");
  // The plot's own style sheet is for pages.
  for (const style of svg.querySelectorAll("style")) style.remove();
  const document = svg.ownerDocument as Document;
  const style = document.createElementNS("http://www.w3.org/2000/svg", "style");
  style.textContent = DARK;
  const name = document.createElementNS("http://www.w3.org/2000/svg", "title");
  name.textContent = title;
  svg.prepend(name, style);
  return `${svg.outerHTML}\n`;
}

/** @param scale pixels for each of the drawing's */
export function pngOf(svg: string, scale = 2): Uint8Array {
  const resvg = new Resvg(svg, {
    fitTo: { mode: "zoom", value: scale },
    background: PAPER,
    font: { fontFiles: FONTS, loadSystemFonts: false, defaultFontFamily: "Inter" },
  });
  return resvg.render().asPng();
}
