/** A rectangle in pixels, y downwards. */
export interface Box {
  readonly x: number;
  readonly y: number;
  readonly width: number;
  readonly height: number;
}

export interface Marker {
  readonly x: number;
  readonly y: number;
  readonly radius: number;
  readonly text: string;
}

export interface Label {
  readonly text: string;
  readonly box: Box;
  /** From the marker to the label, where they do not touch. */
  readonly leader:
    | { readonly x1: number; readonly y1: number; readonly x2: number; readonly y2: number }
    | undefined;
}

/** Of a letter, on average, by the size of the font: Inter's, rounded up. */
const LETTER_WIDTH = 0.58;
/** Gaps between marker and label that are tried, in pixels. */
const GAPS = [3, 12, 24, 40, 60, 84];
const DIRECTIONS = 16;

export function overlap(a: Box, b: Box): boolean {
  return a.x < b.x + b.width && b.x < a.x + a.width && a.y < b.y + b.height && b.y < a.y + a.height;
}

export function textBox(text: string, fontSize: number): { width: number; height: number } {
  return { width: text.length * fontSize * LETTER_WIDTH, height: fontSize * 1.2 };
}

/**
 * Puts a label beside each marker, the earlier ones first and each as near as it goes: no label covers another, a marker, or the edge.
 * Those for which there is no room are left out.
 */
export function placeLabels(markers: readonly Marker[], frame: Box, fontSize: number): Label[] {
  const taken: Box[] = markers.map(({ x, y, radius }) => ({
    x: x - radius,
    y: y - radius,
    width: 2 * radius,
    height: 2 * radius,
  }));
  const labels: Label[] = [];
  for (const marker of markers) {
    const label = nearest(marker, taken, frame, fontSize);
    if (label === undefined) continue;
    taken.push(label.box);
    labels.push(label);
  }
  return labels;
}

function nearest(marker: Marker, taken: readonly Box[], frame: Box, fontSize: number): Label | undefined {
  const { width, height } = textBox(marker.text, fontSize);
  for (const gap of GAPS) {
    for (let i = 0; i < DIRECTIONS; i++) {
      // Right first, then left, above, below, and between.
      const angle = ((i % 2 === 0 ? i / 2 : DIRECTIONS - (i + 1) / 2) * 2 * Math.PI) / DIRECTIONS;
      const reach = marker.radius + gap;
      const [cos, sin] = [Math.cos(angle), -Math.sin(angle)];
      const [cx, cy] = [marker.x + cos * (reach + width / 2), marker.y + sin * (reach + height / 2)];
      const box = { x: cx - width / 2, y: cy - height / 2, width, height };
      const inside =
        box.x >= frame.x &&
        box.y >= frame.y &&
        box.x + width <= frame.x + frame.width &&
        box.y + height <= frame.y + frame.height;
      if (!inside || taken.some((other) => overlap(box, other))) continue;
      return { text: marker.text, box, leader: gap > 3 ? leaderTo(marker, box) : undefined };
    }
  }
  return undefined;
}

/** To the nearest point of the label. */
function leaderTo({ x, y, radius }: Marker, box: Box): Label["leader"] {
  const x2 = Math.min(Math.max(x, box.x), box.x + box.width);
  const y2 = Math.min(Math.max(y, box.y), box.y + box.height);
  const distance = Math.hypot(x2 - x, y2 - y);
  if (distance <= radius) return undefined;
  return { x1: x + ((x2 - x) * radius) / distance, y1: y + ((y2 - y) * radius) / distance, x2, y2 };
}
