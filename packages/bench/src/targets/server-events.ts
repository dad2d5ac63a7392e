/** Characters of a line, above which it is no event of a language model. */
const LONGEST_LINE = 8_000_000;
/** Characters of what is no stream that are read, to tell what it is. */
const SHOWN = 4000;
const FIELD = /^(?:data|event|id|retry)?(?::|$)/;

/** What came is no stream of events. */
export class NotEvents extends Error {
  /** Its beginning. */
  readonly text: string;

  constructor(text: string) {
    super("is no stream of events");
    this.text = text;
  }
}

/**
 * Data of each event of a stream of server-sent events, as they come.
 * @param onComment told of lines that carry nothing, which keep a connection open
 * @throws {NotEvents} where the first line is none of such a stream
 */
export async function* serverEvents(
  body: AsyncIterable<Uint8Array>,
  onComment?: () => void,
): AsyncGenerator<string> {
  const decoder = new TextDecoder();
  let [text, isStream] = ["", false];
  let data: string[] = [];
  for await (const bytes of body) {
    text += decoder.decode(bytes, { stream: true });
    if (!isStream && text.trim() !== "") {
      const first = text.trimStart();
      // A field's name may have come in part.
      if (!/[\r\n:]/.test(first) && /^[a-z]*$/.test(first)) continue;
      isStream = FIELD.test(first.split(/[\r\n]/)[0] ?? "");
      if (!isStream && first.length < SHOWN) continue;
      if (!isStream) throw new NotEvents(first.slice(0, SHOWN));
    }
    const lines = text.split(/\r\n|\n|\r(?!$)/);
    text = lines.pop() ?? "";
    if (text.length > LONGEST_LINE) throw new NotEvents(text.slice(0, SHOWN));
    for (const line of lines) {
      if (line.startsWith("data:")) data.push(line.slice(line.startsWith("data: ") ? 6 : 5));
      if (line.startsWith(":")) onComment?.();
      if (line !== "" || data.length === 0) continue;
      yield data.join("\n");
      data = [];
    }
  }
  if (!isStream && text.trim() !== "") throw new NotEvents(text.trimStart().slice(0, SHOWN));
}
