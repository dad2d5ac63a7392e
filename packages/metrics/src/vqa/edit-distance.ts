const BITS = 32;

/**
 * Levenshtein's distance of two texts given as code points: insertions, deletions and replacements that make one of the other. By Myers (1999),
 * 32 rows at a time as bits of a word, with Hyyrö's (2003) carries from block to block.
 */
export function editDistance(a: Uint32Array, b: Uint32Array): number {
  const [shared, end] = sharedEnds(a, b);
  const [first, second] = [a.subarray(shared, a.length - end), b.subarray(shared, b.length - end)];
  // Rows are characters of the pattern.
  const [pattern, text] = first.length <= second.length ? [first, second] : [second, first];
  if (pattern.length === 0) return text.length;
  const blocks = Math.ceil(pattern.length / BITS);
  const places = new Map<number, Int32Array>();
  for (const [i, character] of pattern.entries()) {
    let own = places.get(character);
    if (own === undefined) {
      own = new Int32Array(blocks);
      places.set(character, own);
    }
    own[i >>> 5] = (own[i >>> 5] as number) | (1 << (i & 31));
  }
  const nowhere = new Int32Array(blocks);
  // Rows where the distance grows from the row above by one, and where it falls.
  const grows = new Int32Array(blocks).fill(-1);
  const falls = new Int32Array(blocks);
  const last = (pattern.length - 1) & 31;
  let distance = pattern.length;
  for (const character of text) {
    const equal = places.get(character) ?? nowhere;
    // Along the top row the distance grows with each character of the text.
    let carryUp = 1;
    let carryDown = 0;
    for (let block = 0; block < blocks; block++) {
      const up = grows[block] as number;
      const down = falls[block] as number;
      const same = equal[block] as number;
      const vertical = same | down;
      const matched = same | carryDown;
      const diagonal = ((((matched & up) + up) | 0) ^ up) | matched;
      const across = down | ~(diagonal | up);
      const back = up & diagonal;
      if (block === blocks - 1) distance += ((across >>> last) & 1) - ((back >>> last) & 1);
      const movedAcross = (across << 1) | carryUp;
      grows[block] = (back << 1) | carryDown | ~(vertical | movedAcross);
      falls[block] = movedAcross & vertical;
      carryUp = across >>> 31;
      carryDown = back >>> 31;
    }
  }
  return distance;
}

/** Characters that both texts begin with, and of the rest those that both end with. */
function sharedEnds(a: Uint32Array, b: Uint32Array): [number, number] {
  const most = Math.min(a.length, b.length);
  let start = 0;
  while (start < most && a[start] === b[start]) start++;
  let end = 0;
  while (end < most - start && a[a.length - 1 - end] === b[b.length - 1 - end]) end++;
  return [start, end];
}
