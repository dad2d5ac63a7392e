import type { unbeaten as unbeatenPoints } from "../figures/pareto.ts";
import type { PageAnswer, PageData, PageFigure, PageItem, PageVariant } from "./page-data.ts";

/** What the page does in a browser. Its text goes into the page, so it knows nothing but what stands in it. */
export function client(unbeaten: typeof unbeatenPoints): void {
  const data = JSON.parse(document.getElementById("data")?.textContent ?? "{}") as PageData;
  const { figures, variants, items } = data;
  const SVG = "http://www.w3.org/2000/svg";
  const [LEFT, RIGHT, TOP, BOTTOM] = [56, 16, 30, 46];
  let width = 0;
  let height = 0;
  const shapes: Record<PageVariant["kind"], string> = {
    "not pruned": "M1,0A1,1,0,1,1,-1,0A1,1,0,1,1,1,0",
    neurons: "M0,-1.25L1.1,0.65L-1.1,0.65Z",
    heads: "M-0.9,-0.9h1.8v1.8h-1.8Z",
    layers: "M0,-1.4L0.85,0L0,1.4L-0.85,0Z",
    weights:
      "M0,-1.4L0.31,-0.43L1.33,-0.43L0.51,0.16L0.82,1.13L0,0.53L-0.82,1.13L-0.51,0.16L-1.33,-0.43L-0.31,-0.43Z",
    several: "M0.35,0.2L0.35,1.1L-0.35,1.1L-0.35,0.2L-1.1,-0.22L-0.75,-0.84L0,-0.4L0.75,-0.84L1.1,-0.22Z",
  };
  let chosen: number | undefined;
  let shownItem = 0;
  let wanted: "all" | "changed" | "worse" | "better" = "all";
  let sorting: { key: string; descending: boolean } | undefined;
  const axes = { x: data.x, y: data.y };

  const element = (id: string) => document.getElementById(id) as HTMLElement;
  function make<K extends keyof HTMLElementTagNameMap>(
    tag: K,
    properties: Partial<HTMLElementTagNameMap[K]> = {},
    ...children: (Node | string)[]
  ) {
    const made = Object.assign(document.createElement(tag), properties);
    made.append(...children);
    return made;
  }
  function draw(tag: string, attributes: Record<string, string | number>, text?: string): SVGElement {
    const made = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
    if (text !== undefined) made.textContent = text;
    return made;
  }
  const figureOf = (key: string) => figures.find((figure) => figure.key === key);
  function shown(value: number | undefined, { digits, percent }: PageFigure): string {
    if (value === undefined) return "–";
    return percent ? `${(100 * value).toFixed(digits)} %` : value.toFixed(digits);
  }

  // The frontier.
  function ticks(low: number, high: number): number[] {
    const rough = (high - low) / 6;
    const power = 10 ** Math.floor(Math.log10(rough));
    const step = ([1, 2, 5, 10].find((each) => each * power >= rough) ?? 10) * power;
    const found = [];
    for (let tick = Math.ceil(low / step) * step; tick <= high + step * 1e-9; tick += step)
      found.push(Number(tick.toPrecision(12)));
    return found;
  }
  function logTicks(low: number, high: number): number[] {
    const powers = Array.from(
      { length: Math.ceil(high) - Math.floor(low) + 1 },
      (_, i) => Math.floor(low) + i,
    );
    const steps = powers.flatMap((power) =>
      [1, 2, 5].map((digit) => Number((digit * 10 ** power).toPrecision(1))),
    );
    return steps.filter((tick) => Math.log10(tick) >= low && Math.log10(tick) <= high);
  }
  function range(values: number[]): [number, number] {
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const margin = (high - low || Math.abs(high) || 1) * 0.06;
    return [low - margin, high + margin];
  }
  function drawFrontier() {
    const [x, y] = [figureOf(axes.x), figureOf(axes.y)];
    const place = element("frontier");
    place.replaceChildren();
    width = Math.max(320, place.clientWidth);
    height = Math.max(340, Math.min(520, width * 0.6));
    if (x === undefined || y === undefined) {
      place.append("No variant has been measured to the end.");
      return;
    }
    const points = variants.flatMap((variant, index) => {
      const [a, b] = [variant.values[x.key], variant.values[y.key]];
      return a === undefined || b === undefined ? [] : [{ index, variant, a, b }];
    });
    place.append(legendOf(points.map(({ variant }) => variant)));
    const svg = draw("svg", {
      viewBox: `0 0 ${width} ${height}`,
      role: "listbox",
      "aria-label": `${y.title} by ${x.title}`,
    });
    place.append(svg);
    if (points.length === 0) return;
    const costs = points.map(({ a }) => a);
    // Where costs differ much, most would stand in one column.
    const wide = Math.min(...costs) > 0 && Math.max(...costs) > 10 * Math.min(...costs);
    const toAxis = (value: number) => (wide ? Math.log10(value) : value);
    const chances = [
      ...new Set(
        points.flatMap(({ variant }) => (y.role === "quality" ? (variant.chance[y.key] ?? []) : [])),
      ),
    ];
    const [x0, x1] = range(costs.map(toAxis));
    const [y0, y1] = range([...points.map(({ b }) => b), ...chances]);
    const atX = (value: number) => LEFT + ((toAxis(value) - x0) / (x1 - x0)) * (width - LEFT - RIGHT);
    const atY = (value: number) => height - BOTTOM - ((value - y0) / (y1 - y0)) * (height - TOP - BOTTOM);
    const tickText = (value: number, { percent }: PageFigure) =>
      percent ? `${Math.round(100 * value)} %` : String(value);
    for (const tick of wide ? logTicks(x0, x1) : ticks(x0, x1)) {
      svg.append(draw("line", { class: "grid", x1: atX(tick), x2: atX(tick), y1: TOP, y2: height - BOTTOM }));
      svg.append(
        draw("text", { x: atX(tick), y: height - BOTTOM + 18, "text-anchor": "middle" }, tickText(tick, x)),
      );
    }
    for (const tick of ticks(y0, y1)) {
      svg.append(draw("line", { class: "grid", x1: LEFT, x2: width - RIGHT, y1: atY(tick), y2: atY(tick) }));
      svg.append(draw("text", { x: LEFT - 10, y: atY(tick) + 4, "text-anchor": "end" }, tickText(tick, y)));
    }
    svg.append(draw("text", { x: 4, y: 16 }, `↑ ${y.title}`));
    svg.append(draw("text", { x: width - RIGHT, y: height - 6, "text-anchor": "end" }, `${x.title} →`));
    for (const chance of chances) {
      svg.append(
        draw("line", { class: "chance", x1: LEFT, x2: width - RIGHT, y1: atY(chance), y2: atY(chance) }),
      );
      svg.append(draw("text", { x: width - RIGHT, y: atY(chance) - 5, "text-anchor": "end" }, "chance"));
    }
    const lessIsBetter = x.role === "cost" && x.key !== "rate";
    const able = points.filter(({ variant, b }) => {
      const chance = y.role === "quality" ? variant.chance[y.key] : undefined;
      return chance === undefined || b > chance;
    });
    const sign = lessIsBetter ? 1 : -1;
    const best = unbeaten(
      able.map((point) => {
        const [wide, high] = [point.variant.intervals[axes.x], point.variant.intervals[axes.y]];
        const ends = wide && ([sign * wide[0], sign * wide[1]] as const);
        const xInterval = ends && ([Math.min(...ends), Math.max(...ends)] as const);
        return { point, x: sign * point.a, y: point.b, xInterval, yInterval: high };
      }),
    ).map(({ point }) => point);
    const front: typeof points = [];
    for (const point of [...best].sort((p, q) => sign * (p.a - q.a) || q.b - p.b)) {
      if (point.b > (front.at(-1)?.b ?? Number.NEGATIVE_INFINITY)) front.push(point);
    }
    const path = front
      .map(({ a, b }, i) => (i === 0 ? `M${atX(a)},${atY(b)}` : `H${atX(a)}V${atY(b)}`))
      .join("");
    svg.append(draw("path", { class: "front", d: path }));
    const most = Math.max(...points.map(({ variant }) => variant.values.memory ?? 0)) || 1;
    const within = (value: number, low: number, high: number) => Math.min(Math.max(value, low), high);
    for (const point of points) {
      const inX = (value: number) => within(atX(value), LEFT, width - RIGHT);
      const inY = (value: number) => within(atY(value), TOP, height - BOTTOM);
      svg.append(...intervalLines(point, inX, inY));
    }
    const ordered = [...points].sort((p, q) => p.a - q.a);
    for (const point of ordered) {
      const { index, variant, a, b } = point;
      const radius = 5 + 5 * Math.sqrt((variant.values.memory ?? 0) / most);
      const name = `${variant.name}: ${y.title} ${shown(b, y)}, ${x.title} ${shown(a, x)}`;
      const mark = draw("path", {
        ...{
          d: shapes[variant.kind],
          transform: `translate(${atX(a)} ${atY(b)}) scale(${radius})`,
          fill: variant.colour,
          "fill-opacity": best.includes(point) ? 1 : 0.4,
        },
        ...{ class: `point${index === chosen ? " chosen" : ""}`, "vector-effect": "non-scaling-stroke" },
        ...{
          role: "option",
          "aria-label": name,
          "aria-selected": String(index === chosen),
          "data-variant": index,
        },
        tabindex: index === (chosen ?? ordered[0]?.index) ? 0 : -1,
      });
      mark.addEventListener("pointerenter", () => showTip(variant, atX(a), atY(b)));
      mark.addEventListener("pointerleave", hideTip);
      mark.addEventListener("focus", () => showTip(variant, atX(a), atY(b)));
      mark.addEventListener("blur", hideTip);
      mark.addEventListener("click", () => choose(index));
      mark.addEventListener("keydown", (event) => step(event as KeyboardEvent, mark, index));
      svg.append(mark);
    }
    const named: { from: number; to: number; y: number }[] = [];
    for (const { variant, a, b } of [...front].reverse()) {
      const half = variant.name.length * 3.4;
      const middle = Math.min(Math.max(atX(a), LEFT + half), width - RIGHT - half);
      const label = { from: middle - half, to: middle + half, y: atY(b) - 14 };
      if (
        named.some(
          (other) => Math.abs(other.y - label.y) < 14 && other.from < label.to && label.from < other.to,
        )
      )
        continue;
      named.push(label);
      svg.append(
        draw(
          "text",
          { class: "name", x: middle, y: label.y, "text-anchor": "middle", "pointer-events": "none" },
          variant.name,
        ),
      );
    }
  }
  function intervalLines(
    { variant, a, b }: { variant: PageVariant; a: number; b: number },
    atX: (value: number) => number,
    atY: (value: number) => number,
  ) {
    const [wide, high] = [variant.intervals[axes.x], variant.intervals[axes.y]];
    const line = { stroke: variant.colour, "stroke-opacity": 0.5 };
    return [
      ...(wide
        ? [draw("line", { ...line, x1: atX(wide[0]), x2: atX(wide[1]), y1: atY(b), y2: atY(b) })]
        : []),
      ...(high
        ? [draw("line", { ...line, x1: atX(a), x2: atX(a), y1: atY(high[0]), y2: atY(high[1]) })]
        : []),
    ];
  }
  function legendOf(some: PageVariant[]): HTMLElement {
    const legend = make("div", { className: "legend" });
    for (const [precision, colour] of new Map(some.map((variant) => [variant.precision, variant.colour]))) {
      const dot = make("i", { className: "dot" });
      dot.style.background = colour;
      dot.style.marginRight = "0";
      legend.append(make("span", {}, dot, precision));
    }
    for (const kind of new Set(some.map((variant) => variant.kind))) {
      const icon = draw("svg", { viewBox: "-1.5 -1.5 3 3", "aria-hidden": "true" });
      icon.append(draw("path", { d: shapes[kind] }));
      legend.append(make("span", {}, icon, kind));
    }
    return legend;
  }
  function step(event: KeyboardEvent, mark: SVGElement, index: number) {
    if (event.key === "Enter" || event.key === " ") {
      event.preventDefault();
      choose(index);
      return;
    }
    const marks = [...(mark.parentNode?.querySelectorAll<SVGElement>(".point") ?? [])];
    const forward = event.key === "ArrowRight" || event.key === "ArrowDown";
    if (!forward && event.key !== "ArrowLeft" && event.key !== "ArrowUp") return;
    event.preventDefault();
    const next = marks[(marks.indexOf(mark) + (forward ? 1 : marks.length - 1)) % marks.length];
    mark.tabIndex = -1;
    if (next !== undefined) next.tabIndex = 0;
    next?.focus();
  }
  function showTip(variant: PageVariant, x: number, y: number) {
    hideTip();
    const tip = make("div", { className: "tip" }, make("strong", { textContent: variant.name }));
    tip.setAttribute("role", "status");
    for (const figure of figures) {
      const value = variant.values[figure.key];
      if (value === undefined || !figure.inTable) continue;
      const interval = figure.withInterval ? variant.intervals[figure.key] : undefined;
      const range = interval ? ` (${shown(interval[0], figure)} to ${shown(interval[1], figure)})` : "";
      tip.append(make("span", { textContent: `${figure.title} ${shown(value, figure)}${range}` }));
    }
    const place = element("frontier");
    place.append(tip);
    const svg = place.querySelector("svg[role=listbox]") as SVGElement;
    const box = svg.getBoundingClientRect();
    const top = box.top - place.getBoundingClientRect().top + y;
    tip.style.left = `${Math.max(0, Math.min(x + 16, box.width - tip.offsetWidth))}px`;
    tip.style.top = `${top + 16 + tip.offsetHeight > box.height + 40 ? Math.max(0, top - tip.offsetHeight - 14) : top + 14}px`;
  }
  function hideTip() {
    for (const tip of document.querySelectorAll(".tip")) tip.remove();
  }

  // The table.
  function drawTable() {
    const columns = figures.filter(({ inTable }) => inTable);
    const head = make("tr");
    const heading = (key: string, title: string, text: boolean) => {
      const button = make("button", { type: "button", textContent: title });
      const cell = make("th", { scope: "col", className: text ? "text" : "" }, button);
      if (sorting?.key === key)
        cell.setAttribute("aria-sort", sorting.descending ? "descending" : "ascending");
      button.addEventListener("click", () => {
        sorting = {
          key,
          descending: sorting?.key === key ? !sorting.descending : !text && figureOf(key)?.role === "quality",
        };
        drawTable();
        element("variants")
          .querySelectorAll<HTMLElement>("thead button")
          [[...head.children].indexOf(cell)]?.focus();
      });
      head.append(cell);
    };
    heading("name", "variant", true);
    heading("precision", "weights", true);
    for (const { key, title } of columns) heading(key, title, false);
    const order = [...variants.keys()];
    if (sorting !== undefined) order.sort(inOrder);
    const body = make("tbody");
    for (const index of order) body.append(rowOf(index, columns));
    element("variants").replaceChildren(make("thead", {}, head), body);
  }
  /** What was not measured stands last, whichever way the rest goes. */
  function inOrder(p: number, q: number): number {
    const { key, descending } = sorting ?? { key: "name", descending: false };
    const [a, b] = [variants[p] as PageVariant, variants[q] as PageVariant];
    const way = descending ? -1 : 1;
    if (key === "name" || key === "precision")
      return way * a[key].localeCompare(b[key], "en", { numeric: true });
    const [first, second] = [a.values[key], b.values[key]];
    if (first === undefined || second === undefined)
      return Number(first === undefined) - Number(second === undefined);
    return way * (first - second);
  }
  function rowOf(index: number, columns: PageFigure[]): HTMLElement {
    const variant = variants[index] as PageVariant;
    const dot = make("i", { className: "dot" });
    dot.style.background = variant.colour;
    const name = make("th", { scope: "row" }, dot, variant.name);
    if (variant.status !== "complete")
      name.append(" ", make("span", { className: "status", textContent: variant.status }));
    const row = make(
      "tr",
      { className: index === chosen ? "chosen" : "", tabIndex: 0 },
      name,
      make("td", { className: "text", textContent: variant.precision }),
    );
    for (const figure of columns) {
      const interval = variant.intervals[figure.key];
      const cell = make("td", { textContent: shown(variant.values[figure.key], figure) });
      const p = variant.differs[figure.key];
      if (p !== undefined) cell.append(make("sup", { textContent: "*" }));
      if (interval && figure.withInterval)
        cell.append(
          make("small", {
            textContent: ` ${interval.map((end) => shown(end, figure).replace(/ %$/, "")).join("–")}`,
          }),
        );
      if (interval)
        cell.title = `${shown(interval[0], figure)} to ${shown(interval[1], figure)}${p === undefined ? "" : `; p = ${p.toPrecision(2)}`}`;
      row.append(cell);
    }
    row.addEventListener("click", () => choose(index));
    row.addEventListener("keydown", (event) => {
      if (event.key === "Enter") choose(index);
    });
    return row;
  }

  // Answers.
  function choose(index: number) {
    chosen = index;
    drawFrontier();
    drawTable();
    drawAnswers();
    const section = element("answers");
    section.scrollIntoView({ block: "nearest" });
    section.querySelector<HTMLElement>("button")?.focus({ preventScroll: true });
  }
  function drawAnswers() {
    const section = element("answers");
    const variant = variants[chosen ?? -1];
    section.hidden = variant === undefined;
    if (variant === undefined) return;
    const title = make("h2", { id: "answers-title", textContent: variant.name });
    const all = items.filter(({ answers }) => answers[chosen ?? -1]);
    const answered = all.filter(isWanted);
    const move = (by: number, label: string) => {
      const button = make("button", { type: "button", textContent: label, disabled: answered.length < 2 });
      button.addEventListener("click", () => {
        shownItem = (shownItem + by + answered.length) % answered.length;
        drawAnswers();
        [...element("answers").querySelectorAll("button")]
          .find(({ textContent }) => textContent === label)
          ?.focus();
      });
      return button;
    };
    const item = answered[shownItem % Math.max(1, answered.length)];
    const answer = item?.answers[chosen ?? -1];
    const bar = make("div", { className: "bar" }, title);
    section.replaceChildren(bar);
    const facts = [variant.pruning || "not pruned", variant.precision].join(", ");
    bar.append(make("span", { textContent: facts }));
    if (variant.base !== null && all.length > 0) bar.append(filterOf(all));
    if (item === undefined || !answer) {
      const nothing = all.length > 0 ? "No answer is so." : (variant.error ?? "It has no answers.");
      section.append(make("p", { textContent: nothing }));
      return;
    }
    bar.append(
      make("span", { textContent: `${answered.indexOf(item) + 1} of ${answered.length}` }),
      move(-1, "Previous"),
      move(1, "Next"),
    );
    const image =
      item.image === null
        ? make("p", { className: "missing", textContent: "The picture is in the run’s folder." })
        : tokensOver(
            make("img", { src: item.image, alt: "The picture that was asked about" }),
            answer.picture,
          );
    section.append(
      make(
        "div",
        { className: "answer" },
        make("div", {}, image),
        textsOf(item.question, item.references, item.topic, answer, denseAnswer(item)),
      ),
    );
  }
  /** The picture, tokens that went covered. */
  function tokensOver(image: HTMLImageElement, picture: PageAnswer["picture"]): HTMLElement {
    if (picture === undefined) return image;
    const { width: across, height: down, stayed, fit } = picture;
    const cells = Array.from({ length: across * down }, (_, cell) => cell).filter(
      (cell) => !stayed.includes(cell),
    );
    const cover = draw("svg", {
      ...{ viewBox: `0 0 ${across} ${down}`, preserveAspectRatio: "none", role: "img" },
      "aria-label": `${stayed.length} of the picture’s ${across * down} tokens stayed`,
    });
    for (const cell of cells) {
      const place = { x: cell % across, y: Math.floor(cell / across) };
      cover.append(draw("rect", { ...place, width: 1, height: 1 }));
    }
    const frame = make("div", { className: fit === "middle" ? "tokens middle" : "tokens" }, image, cover);
    if (fit === "middle") frame.style.aspectRatio = `${across} / ${down}`;
    return make(
      "figure",
      {},
      frame,
      make("figcaption", { textContent: `${stayed.length} of ${across * down} tokens stayed` }),
    );
  }
  function denseAnswer(item: PageItem): PageAnswer | null {
    return item.answers[variants[chosen ?? -1]?.base ?? -1] ?? null;
  }
  /** How the variant's answer stands to the dense model's, by the recipe's first figure. */
  function isWanted(item: PageItem): boolean {
    const [answer, dense] = [item.answers[chosen ?? -1], denseAnswer(item)];
    if (wanted === "all" || !answer || !dense) return true;
    const gain = (answer.scores[item.first] ?? 0) - (dense.scores[item.first] ?? 0);
    if (wanted === "changed") return answer.prediction !== dense.prediction;
    return wanted === "worse" ? gain < -1e-9 : gain > 1e-9;
  }
  function filterOf(all: PageItem[]): HTMLElement {
    const select = document.createElement("select");
    const keys = new Set(all.map(({ first }) => first));
    const [key = ""] = keys;
    const figure = keys.size > 1 ? "its task’s score" : (figureOf(key)?.title ?? key);
    const names = {
      all: "all answers",
      changed: "changed",
      worse: `worse by ${figure}`,
      better: `better by ${figure}`,
    };
    const before = wanted;
    for (const kind of ["all", "changed", "worse", "better"] as const) {
      wanted = kind;
      const text = `${names[kind]} (${all.filter(isWanted).length})`;
      select.append(make("option", { value: kind, textContent: text, selected: kind === before }));
    }
    wanted = before;
    select.addEventListener("change", () => {
      wanted = select.value as typeof wanted;
      shownItem = 0;
      drawAnswers();
      element("answers").querySelector("select")?.focus();
    });
    return make("label", {}, "show ", select);
  }
  function textsOf(
    question: string,
    references: readonly string[],
    topic: string | null,
    answer: PageAnswer,
    dense: PageAnswer | null,
  ): HTMLElement {
    const list = make("dl");
    const entry = (term: string, text: string, className = "") =>
      list.append(make("dt", { textContent: term }), make("dd", { textContent: text, className }));
    if (topic !== null) entry("Topic", topic);
    entry("Question", question);
    for (const reference of references) entry("Reference", reference);
    const said = ({ prediction }: PageAnswer) => (prediction === "" ? "(nothing)" : prediction);
    const scoresOf = ({ scores }: PageAnswer) =>
      Object.entries(scores)
        .filter(([name]) => !/-(precision|recall)$/.test(name))
        .map(([name, score]) => `${figureOf(name)?.title ?? name} ${score.toFixed(3)}`)
        .join(" · ");
    if (dense === null) {
      entry("Answer", said(answer));
      entry("Scores", scoresOf(answer), "scores");
      return list;
    }
    const base = variants[variants[chosen ?? -1]?.base ?? -1]?.name ?? "dense";
    const side = (name: string, one: PageAnswer, className: string): HTMLElement =>
      make(
        "div",
        { className },
        make("h3", { textContent: name }),
        make("p", { textContent: said(one) }),
        make("p", { className: "scores", textContent: scoresOf(one) }),
      );
    const changed = dense.prediction === answer.prediction ? "" : " changed";
    const pair = make(
      "div",
      { className: "pair" },
      side(base, dense, "side"),
      side(variants[chosen ?? -1]?.name ?? "", answer, `side${changed}`),
    );
    return make("div", {}, list, pair);
  }

  for (const axis of ["x", "y"] as const) {
    const select = element(`${axis}-axis`) as HTMLSelectElement;
    for (const { key, title } of figures)
      select.append(make("option", { value: key, textContent: title, selected: key === axes[axis] }));
    select.addEventListener("change", () => {
      axes[axis] = select.value;
      drawFrontier();
    });
  }
  element("theme").addEventListener("click", () => {
    const { dataset } = document.documentElement;
    const dark =
      dataset.theme === undefined
        ? matchMedia("(prefers-color-scheme: dark)").matches
        : dataset.theme === "dark";
    dataset.theme = dark ? "light" : "dark";
  });
  let drawn = 0;
  new ResizeObserver(() => {
    if (element("frontier").clientWidth === drawn) return;
    drawn = element("frontier").clientWidth;
    drawFrontier();
  }).observe(element("frontier"));
  drawTable();
}
