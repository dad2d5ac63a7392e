import { loadVlm, openFiles, type PictureView, pictureView, type Vlm } from "@vlmopt/engine/browser";
import { fetchModel } from "./fetch-model.ts";

/** Pictures that come with the page, each with questions that the bundled model knows to answer. */
const EXAMPLES: readonly (readonly [number: string, ...questions: string[]])[] = [
  ["000", "Count the large squares in the picture.", "Describe the picture."],
  ["001", "What colour is the small diamond?", "Describe the picture."],
  ["003", "Can you find the yellow circle?", "Describe the picture."],
  ["005", "Do the small triangle and the large cross have the same colour?", "Describe the picture."],
  ["006", "Is the purple object below the small triangle?", "Describe the picture."],
  ["008", "Which colours do the objects have?", "Describe the picture."],
];
const MOST_TOKENS = 256;

function element<T extends HTMLElement>(id: string): T {
  const found = document.getElementById(id);
  if (found === null) throw new Error(`the page has no ${id}`);
  return found as T;
}

const ask = element<HTMLButtonElement>("ask");
const stop = element<HTMLButtonElement>("stop");
const question = element<HTMLInputElement>("question");
const answer = element("answer");
const timings = element("timings");
const shown = element<HTMLImageElement>("picture");
const visualTokens = element<HTMLInputElement>("visual-tokens");

let vlm: Vlm | undefined;
let picture: Blob | undefined;
/** A model is on its way, or an answer. */
let busy = false;
/** Ends the answer that is under way. */
let answering: AbortController | undefined;

function say(text: string, bad = false): void {
  const status = element("status");
  status.textContent = text;
  status.classList.toggle("bad", bad);
}

function fail(error: unknown): void {
  say(error instanceof Error ? error.message : String(error), true);
}

function refresh(): void {
  ask.disabled = busy || vlm === undefined || picture === undefined;
  stop.hidden = answering === undefined;
}

async function load(files: readonly File[], name: string): Promise<void> {
  busy = true;
  refresh();
  const started = performance.now();
  try {
    await vlm?.release();
    vlm = undefined;
    say(`${name} goes to the graphics card …`);
    vlm = await loadVlm(await openFiles(files, name));
    const bytes = files.reduce((sum, { size }) => sum + size, 0);
    const { modelType } = vlm.model.description;
    say(
      `${name}: ${modelType}, ${(bytes / 1e6).toFixed(1)} MB, ready after ${seconds(performance.now() - started)}`,
    );
  } catch (error) {
    fail(error);
  } finally {
    busy = false;
    refresh();
  }
}

function show(blob: Blob, questions: readonly string[]): void {
  // The rest of an answer about another picture is not wanted.
  answering?.abort();
  picture = blob;
  cover(undefined);
  URL.revokeObjectURL(shown.src);
  shown.src = URL.createObjectURL(blob);
  shown.hidden = false;
  element("picture-hint").hidden = true;
  answer.textContent = "";
  timings.textContent = "";
  const [first] = questions;
  if (first !== undefined) question.value = first;
  element("questions").replaceChildren(
    ...questions.map((text) => {
      const button = Object.assign(document.createElement("button"), { type: "button", textContent: text });
      button.addEventListener("click", () => {
        question.value = text;
        question.focus();
      });
      return button;
    }),
  );
  refresh();
}

async function answerQuestion(): Promise<void> {
  if (vlm === undefined || picture === undefined || busy) return;
  const controller = new AbortController();
  answering = controller;
  busy = true;
  refresh();
  answer.textContent = "";
  timings.textContent = "";
  cover(undefined);
  try {
    const keep = visualTokens.valueAsNumber;
    const asked = picture;
    const {
      timings: took,
      tokens,
      promptTokens,
      pictures = [],
    } = await vlm.generate(
      { prompt: question.value, images: [picture] },
      {
        maxNewTokens: MOST_TOKENS,
        ...(Number.isNaN(keep) ? {} : { visualTokens: { keep } }),
        signal: controller.signal,
        onText(text) {
          if (!controller.signal.aborted) answer.textContent += text;
        },
      },
    );
    const later = took.tokens.reduce((sum, each) => sum + each, 0);
    const rate =
      took.tokens.length > 0
        ? `, then ${((1000 * took.tokens.length) / later).toFixed(0)} tokens a second`
        : "";
    const [reduced] = pictures;
    if (reduced !== undefined && asked === picture)
      cover(pictureView(vlm.model.description.modelType, reduced));
    timings.textContent = `${tokens.length} tokens to ${promptTokens} of the prompt; the first after ${seconds(took.ttft)}${rate}`;
  } catch (error) {
    if (!controller.signal.aborted) fail(error);
  } finally {
    answering = undefined;
    busy = false;
    refresh();
  }
}

/** Covers the tokens of the picture that did not go on. */
function cover(view: PictureView | undefined): void {
  const seen = element("seen");
  seen.querySelector("svg")?.remove();
  if (view === undefined) return;
  const { width, height, stayed } = view;
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", `0 0 ${width} ${height}`);
  // The middle of the picture is what the model sees; else all of it.
  svg.setAttribute("preserveAspectRatio", view.fit === "middle" ? "xMidYMid meet" : "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `${stayed.length} of the picture's ${width * height} tokens went on`);
  const staying = new Set(stayed);
  for (let cell = 0; cell < width * height; cell++) {
    if (staying.has(cell)) continue;
    const rect = document.createElementNS(svg.namespaceURI, "rect");
    const place = { x: cell % width, y: Math.floor(cell / width), width: 1, height: 1 };
    for (const [name, value] of Object.entries(place)) rect.setAttribute(name, String(value));
    svg.append(rect);
  }
  seen.append(svg);
}

function seconds(milliseconds: number): string {
  return milliseconds < 1000 ? `${Math.round(milliseconds)} ms` : `${(milliseconds / 1000).toFixed(1)} s`;
}

/** Files that are chosen or dropped. */
function takesFiles(
  drop: HTMLElement,
  input: HTMLInputElement,
  take: (files: readonly File[]) => void,
): void {
  input.addEventListener("change", () => {
    take([...(input.files ?? [])]);
    // So that the same files can be chosen again.
    input.value = "";
  });
  drop.addEventListener("dragover", (event) => {
    event.preventDefault();
    drop.classList.add("over");
  });
  drop.addEventListener("dragleave", () => drop.classList.remove("over"));
  drop.addEventListener("drop", (event) => {
    event.preventDefault();
    drop.classList.remove("over");
    take([...(event.dataTransfer?.files ?? [])]);
  });
}

// The cover lies on the picture, whatever its shape.
shown.addEventListener("load", () => {
  const ratio = shown.naturalWidth / shown.naturalHeight;
  element("seen").style.aspectRatio = String(ratio);
  element("seen").classList.toggle("tall", ratio < 1);
});
takesFiles(element("picture-drop"), element("picture-file"), ([file]) => {
  if (file !== undefined) show(file, []);
});
takesFiles(element("model-drop"), element("model-files"), (files) => {
  if (files.length === 0) return;
  if (busy) say("One moment: what is under way comes first. Drop the files again then.", true);
  else void load(files, "Your model");
});
stop.addEventListener("click", () => answering?.abort());
element("form").addEventListener("submit", (event) => {
  event.preventDefault();
  void answerQuestion();
});

for (const [number, ...questions] of EXAMPLES) {
  const url = `pictures/scene_${number}.png`;
  const image = Object.assign(document.createElement("img"), { src: url, alt: `Scene ${Number(number)}` });
  const button = Object.assign(document.createElement("button"), { type: "button", className: "picture" });
  button.append(image);
  button.addEventListener("click", async () => show(await (await fetch(url)).blob(), questions));
  element("examples").append(button);
}

const [[first, ...questions]] = EXAMPLES as [(typeof EXAMPLES)[number]];
/** Says whether there is a card; the model is not fetched for nothing. */
async function hasCard(): Promise<boolean> {
  return "gpu" in navigator && (await navigator.gpu.requestAdapter()) !== null;
}

busy = true;
try {
  show(await (await fetch(`pictures/scene_${first}.png`)).blob(), questions);
  if (await hasCard()) {
    const files = await fetchModel("model", (share) =>
      say(`The model arrives: ${Math.round(100 * share)} %`),
    );
    await load(files, "tiny-llava");
  } else
    say(
      "This browser offers no graphics card to pages (WebGPU). A recent Chrome, Edge or Safari does.",
      true,
    );
} catch (error) {
  fail(error);
} finally {
  busy = false;
  refresh();
}
