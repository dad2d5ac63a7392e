/** Share of the time between results after which the next one is asked for, and results of which the shortest time counts. */
const PAUSE = 0.9;
/** Milliseconds that a timer may be late: who waits for one that long where the next result takes no longer is behind from then on. */
const TIMER = 1;
const REMEMBERED = 5;

/**
 * Results are asked for one after the other, in the order in which they were given. While one is awaited, Dawn in Node asks the card over
 * and over, which leaves so much garbage that its collection holds the host up for longer than many tokens take: so there, where results
 * follow each other, the next is first left alone for a while.
 */
export class ReadQueue {
  readonly #pauses: boolean;
  #last: Promise<unknown> = Promise.resolve();
  #waiting = 0;
  /** When the latest of those that followed each other were there. */
  #times: number[] = [];

  /** @param pauses whether nothing is asked for what cannot be there yet */
  constructor({ pauses }: { readonly pauses: boolean }) {
    this.#pauses = pauses;
  }

  /** Maps a buffer whose commands have left, to be read. */
  async map(buffer: GPUBuffer): Promise<void> {
    const follows = this.#waiting > 0;
    this.#waiting++;
    const mapped = this.#last.then(() => this.#map(buffer, follows));
    this.#last = mapped.catch(() => undefined);
    await mapped.finally(() => {
      this.#waiting--;
    });
  }

  async #map(buffer: GPUBuffer, follows: boolean): Promise<void> {
    if (!follows) this.#times = [];
    const pause = this.#pauses ? PAUSE * shortestInterval(this.#times) - TIMER : 0;
    if (pause >= 1) await new Promise((resolve) => setTimeout(resolve, pause));
    await buffer.mapAsync(GPUMapMode.READ);
    this.#times = [...this.#times, performance.now()].slice(-REMEMBERED);
  }
}

/** The shortest, since one may have been longer for other reasons; 0 of fewer than two. */
function shortestInterval(times: readonly number[]): number {
  const intervals = times.slice(1).map((time, i) => time - (times[i] as number));
  return intervals.length === 0 ? 0 : Math.min(...intervals);
}
