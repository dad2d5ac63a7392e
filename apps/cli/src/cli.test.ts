import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openCheckpoint, writeCheckpoint } from "@vlmopt/tensor-io";
import { describe, expect, it, onTestFinished } from "vitest";

const main = fileURLToPath(new URL("../dist/main.js", import.meta.url));
const llava = fileURLToPath(new URL("../../../fixtures/checkpoints/llava", import.meta.url));

function vlmopt(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "vlmopt-cli-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

describe("vlmopt", () => {
  it("shows examples in its help", () => {
    const { status, stdout } = vlmopt("--help");
    expect(status).toBe(0);
    expect(stdout).toContain("$ vlmopt inspect ./llava-1.5-7b-hf");
  });

  it.each([
    [["inspect"], "error: missing required argument 'path'"],
    [["inspect", llava, "--nope"], "error: unknown option '--nope'"],
    [["nope"], "error: unknown command 'nope'"],
    [["convert", llava, "out", "--dtype", "i4"], "error: option '--dtype <dtype>' argument 'i4' is invalid."],
    [
      ["convert", llava, "out", "--shard-size", "0"],
      "error: option '--shard-size <size>' argument '0' is invalid.",
    ],
    [
      ["convert", llava, "out", "--workers", "-1"],
      "error: option '--workers <count>' argument '-1' is invalid.",
    ],
  ])("ends with 2 on bad usage: %j", (args, message) => {
    const { status, stderr } = vlmopt(...args);
    expect(status).toBe(2);
    expect(stderr).toContain(message);
  });

  it("ends with 1 and one line where something is not there, and with a stack only for --debug", () => {
    const { status, stderr } = vlmopt("inspect", "/nowhere");
    expect(status).toBe(1);
    expect(stderr).toBe("error: /nowhere: no such file or folder\n");
    expect(vlmopt("--debug", "inspect", "/nowhere").stderr).toContain("    at ");
  });
});

describe("vlmopt inspect", () => {
  it("sums up components, dtypes and tensors", () => {
    const { status, stdout } = vlmopt("inspect", llava);
    expect(status).toBe(0);
    // 111,920 is what transformers counts.
    expect(stdout).toContain("1 file, 73 tensors, 111,920 parameters, 448 kB");
    expect(stdout).toMatch(/^multi_modal_projector +4 +3,936 +15\.7 kB +3\.5 %$/m);
    expect(stdout).toMatch(
      /^language_model\.model\.layers\.\{0-2\}\.mlp\.gate_proj\.weight +F32 +\[80, 48\] +15\.4 kB +× 3$/m,
    );
  });

  it("prints JSON", () => {
    const summary = JSON.parse(vlmopt("inspect", llava, "--json").stdout);
    expect(summary).toMatchObject({ modelType: "llava", parameters: 111_920, metadata: { format: "pt" } });
    expect(summary.tensors).toHaveLength(73);
  });
});

describe("vlmopt convert", () => {
  it("casts, shards and takes the other files along", async () => {
    const out = join(await temporaryFolder(), "out");
    const { status, stdout } = vlmopt("convert", llava, out, "--dtype", "bf16", "--shard-size", "100kB");
    expect(status).toBe(0);
    expect(stdout).toMatch(/: 73 tensors, 224 kB in 3 files, [\d.]+ s\n$/);
    expect(await readdir(out)).toContain("config.json");
    await using checkpoint = await openCheckpoint(out);
    expect(new Set([...checkpoint.tensors.values()].map(({ dtype }) => dtype))).toEqual(new Set(["BF16"]));
  });

  it("refuses an output that exists, unless --force is given", async () => {
    const out = await temporaryFolder();
    expect(vlmopt("convert", llava, out)).toEqual({
      status: 1,
      stdout: "",
      stderr: `error: ${out}: is already there\nhint: choose another name, or overwrite it (--force on the command line)\n`,
    });
    expect(vlmopt("convert", llava, out, "--force", "--json").status).toBe(0);
  });

  it("replaces with --force what vlmopt wrote, and nothing else, the input or a folder around it least of all", async () => {
    const folder = await temporaryFolder();
    const [input, out] = [join(folder, "in"), join(folder, "out")];
    expect(vlmopt("convert", llava, input).status).toBe(0);
    expect(vlmopt("convert", input, out).status).toBe(0);
    for (const command of [
      ["convert", input, out],
      ["prune", input, out, "--l1", "0.3"],
      ["quantize", input, out, "--scheme", "int8", "--by-weights"],
      ["dequantize", out, join(folder, "again")],
    ]) {
      expect(vlmopt(...command, "--force").stderr, command.join(" ")).toBe("");
    }
    const before = (await readdir(folder, { recursive: true })).sort();
    await writeFile(join(out, "notes.txt"), "precious");
    const whole = fileURLToPath(new URL("../../../packages/engine/goldens/vlms/llava", import.meta.url));
    for (const [command, target, problem] of [
      [["convert"], out, "holds notes.txt, which vlmopt did not write, or which changed since"],
      [["prune", "--l1", "0.3"], input, "is the input, which is never replaced"],
      [
        ["quantize", "--scheme", "int8", "--by-weights"],
        folder,
        `holds the input, ${input}, which is never replaced`,
      ],
      [["dequantize"], input, "is the input, which is never replaced"],
    ] as const) {
      const [name, ...args] = command;
      const { status, stderr } = vlmopt(name, input, target, ...args, "--force");
      expect({ status, stderr }, name).toEqual({
        status: 1,
        stderr: expect.stringMatching(`^error: ${target}: ${problem}\\nhint: `),
      });
    }
    const gguf = ["--scheme", "gguf-q8_0", "--force"];
    expect(vlmopt("quantize", whole, out, ...gguf).stderr).toContain("holds notes.txt");
    const here = spawnSync(process.execPath, [main, "convert", input, ".", "--force"], {
      cwd: out,
      encoding: "utf8",
    });
    expect(here.stderr).toMatch(/^error: \.: is the working folder, which is never replaced\n/);
    expect((await readdir(folder, { recursive: true })).sort()).toEqual([...before, "out/notes.txt"].sort());
  });

  it("stops cleanly on Ctrl-C", async () => {
    const folder = await temporaryFolder();
    const bytes = new Uint8Array(400_000_000);
    await writeCheckpoint([{ name: "t", dtype: "F32", shape: [10_000, 10_000], bytes }], join(folder, "in"));
    const child = spawn(process.execPath, [
      main,
      "convert",
      join(folder, "in"),
      join(folder, "out"),
      "--dtype",
      "f16",
    ]);
    let stderr = "";
    child.stderr.on("data", (text) => {
      stderr += text;
    });
    await expect.poll(async () => (await readdir(folder)).length, { timeout: 10_000 }).toBe(3);
    child.kill("SIGINT");
    const [code] = await once(child, "exit");
    expect({ code, stderr }).toEqual({ code: 130, stderr: "error: interrupted; nothing was written\n" });
    expect(await readdir(folder)).toEqual(["in"]);
  });
});

describe("vlmopt ask", () => {
  const models = fileURLToPath(new URL("../../../packages/engine/goldens/vlms/", import.meta.url));
  const qwen = join(models, "qwen2_vl");
  const picture = join(models, "picture.png");

  it("prints the answer as transformers gives it, or all of it as JSON", async () => {
    const [golden] = JSON.parse(await readFile(join(qwen, "answers.json"), "utf8"));
    const args = ["ask", qwen, "--image", picture, golden.question, "--max-new-tokens", "24"];
    expect(vlmopt(...args)).toEqual({ status: 0, stdout: `${golden.text}\n`, stderr: "" });
    const answer = JSON.parse(vlmopt(...args, "--json").stdout);
    expect(answer).toMatchObject({ text: golden.text, promptTokens: golden.promptTokens, finish: "length" });
    expect(answer.timings.tokens).toHaveLength(23);
  });

  it("leaves nothing in the home and the temporary folder, as ONNX Runtime's telemetry would", async () => {
    const folder = await temporaryFolder();
    const { ORT_DISABLE_TELEMETRY: _, XDG_CACHE_HOME: __, ...env } = process.env;
    Object.assign(env, { HOME: folder, USERPROFILE: folder, LOCALAPPDATA: folder });
    Object.assign(env, { TMPDIR: folder, TMP: folder, TEMP: folder });
    const { status } = spawnSync(process.execPath, [main, "ask", qwen, "x", "--max-new-tokens", "2"], {
      env,
    });
    expect(status).toBe(0);
    expect(await readdir(folder)).toEqual([]);
  });

  it.each([
    [[qwen, "x", "--image", "/nowhere.png"], 1, "error: /nowhere.png: cannot be read"],
    [[qwen, "x", "--threads", "512"], 2, "It is 512, not a whole number from 1 to 256."],
    [[qwen, "x", "--max-new-tokens", "0"], 2, "It is 0, not a whole number from 1 on."],
    [[qwen, "x", "--max-new-tokens", "many"], 2, 'It is "many", not a whole number from 1 on.'],
    [[qwen, "x", "--top-p", "2"], 2, "It is 2, not a number above 0 to 1."],
    [[llava, "x"], 1, "error: there is no tokenizer.json in "],
  ])("refuses %j", (args, code, message) => {
    const { status, stderr } = vlmopt("ask", ...args);
    expect(status).toBe(code);
    expect(stderr).toContain(message);
  });
});

describe("vlmopt ask, of a model that prune --quantize has written", () => {
  it("gives the same answer by ONNX Runtime as by the plain executor", async () => {
    const models = fileURLToPath(new URL("../../../packages/engine/goldens/vlms/", import.meta.url));
    const out = join(await temporaryFolder(), "out");
    const cuts = ["--by-weights", "--glu", "0.3", "--divisor", "16", "--heads", "0.5"];
    expect(vlmopt("prune", join(models, "llava"), out, ...cuts, "--quantize", "int4-g16").status).toBe(0);
    const ask = [
      "ask",
      out,
      "--image",
      join(models, "picture.png"),
      "What is this?",
      "--max-new-tokens",
      "12",
      "--json",
    ];
    const [ort, plain] = ["ort", "plain"].map((executor) =>
      JSON.parse(vlmopt(...ask, "--exact", "--executor", executor).stdout),
    );
    expect(ort.tokens).toHaveLength(12);
    expect(ort.tokens).toEqual(plain.tokens);
  });
});

describe("vlmopt chat", () => {
  it("keeps what was said, and goes on after a picture that is not there", () => {
    const models = fileURLToPath(new URL("../../../packages/engine/goldens/vlms/", import.meta.url));
    const input = `/image ${models}picture.png\nWhat is in the picture?\n/image /nowhere.png\nAnd there?\nAnd now?\n/exit\n`;
    const chat = [main, "chat", join(models, "llava"), "--max-new-tokens", "8"];
    const { status, stdout, stderr } = spawnSync(process.execPath, chat, { encoding: "utf8", input });
    expect(status).toBe(0);
    expect(stderr).toContain("error: /nowhere.png: cannot be read");
    // Two answers: no tokens of a prompt, none of the failed turn.
    const asked = vlmopt(
      "ask",
      join(models, "llava"),
      "What is in the picture?",
      "--image",
      `${models}picture.png`,
      "--max-new-tokens",
      "8",
    );
    expect(stdout.startsWith(asked.stdout)).toBe(true);
    expect(stdout.length).toBeGreaterThan(asked.stdout.length);
  });
});

describe("vlmopt prune", () => {
  it("writes a smaller model, its plan and its card, and applies a saved plan to the same bytes", async () => {
    const folder = await temporaryFolder();
    const [once, again] = [join(folder, "once"), join(folder, "again")];
    const { status, stdout } = vlmopt(
      "prune",
      llava,
      once,
      "--glu",
      "0.3",
      "--heads",
      "0.25",
      "--divisor",
      "8",
      "--by-weights",
    );
    expect(status).toBe(0);
    expect(stdout).toMatch(/^parameters +111,920 +92,336 +82\.5 %$/m);
    expect(stdout).toMatch(/^neurons +80 +56 +70\.0 %$/m);
    expect(stdout).toMatch(/^heads +6 +4 +66\.7 %$/m);
    expect((await readdir(once)).sort()).toEqual([
      ".vlmopt.json",
      "README.md",
      "config.json",
      "generation_config.json",
      "model.safetensors",
      "pruning.json",
    ]);
    expect(JSON.parse(await readFile(join(once, "config.json"), "utf8")).text_config).toMatchObject({
      intermediate_size: 56,
      num_attention_heads: 4,
      head_dim: 8,
    });
    expect(await readFile(join(once, "README.md"), "utf8")).toContain("| heads.ratio | 0.25 |");
    expect(vlmopt("prune", llava, again, "--plan", join(once, "pruning.json")).status).toBe(0);
    for (const name of await readdir(once)) {
      expect((await readFile(join(once, name))).equals(await readFile(join(again, name))), name).toBe(true);
    }
  });

  it("plans without writing", async () => {
    const planOf = (...args: string[]) =>
      JSON.parse(vlmopt("prune", llava, "--plan-only", "--json", ...args).stdout);
    const plan = planOf("--drop-middle", "1", "--by-weights");
    expect(plan).toMatchObject({
      version: 1,
      after: { layers: 2 },
      config: [{ path: ["text_config", "num_hidden_layers"], value: 2 }],
    });
    // Sizes are known before data say what goes.
    const byData = planOf("--glu", "0.33", "--divisor", "8");
    expect(byData.after.neurons).toBe(48);
    expect(byData.notes).toEqual([
      expect.stringMatching(/^33 % of 80 neurons was asked for and 40 % go: 48 stay/),
    ]);
  });

  it.each([
    [["--glu", "1.3"], 2, "Give a share between 0 and 1"],
    [["--glu", "0"], 2, "Give a share between 0 and 1"],
    [[], 2, "error: say what to remove"],
    [
      ["--glu", "0.3", "--divisor", "128"],
      1,
      "error: 56 of 80 neurons would stay, fewer than the divisor 128\nhint: ",
    ],
    [["--by-weights"], 2, "error: say what to remove"],
    [
      ["--glu", "0.3", "--keep-neurons", "64"],
      2,
      "error: --glu and --keep-neurons both say how many neurons stay: give one of them\n",
    ],
    [["--layers", "1", "--drop-last", "1"], 2, "error: --layers and --drop-last both say which layers go"],
    [["--glu", "0.3", "--layers", "1", "--by-weights"], 2, "error: --layers needs data"],
    [["--glu", "0.3", "--method", "obd", "--by-weights"], 2, "error: the score obd needs data"],
    [["--glu", "0.3", "--kv-groups"], 2, "error: --kv-groups says nothing without --heads\n"],
    [["--glu", "0.3", "--samples", "9"], 2, "error: --samples says nothing without --calibrate\n"],
    [
      ["--glu", "0.3", "--by-weights", "--calibrate", "x"],
      2,
      "error: --calibrate says nothing with --by-weights\n",
    ],
    [["--plan", "p.json", "--glu", "0.3"], 2, "error: a saved --plan says what goes"],
    [["--heads", "0.9"], 1, "error: a ratio of 0.9 leaves none of 6 heads\n"],
    [["--drop-layers", "7"], 1, "error: layer 7 cannot go: there are layers 0 to 2\n"],
    [["--plan", "/nowhere.json"], 1, "error: "],
  ])("refuses %j with %i", (args, code, message) => {
    const { status, stderr } = vlmopt("prune", llava, "--plan-only", ...args);
    expect(status).toBe(code);
    expect(stderr).toContain(message);
  });

  it("refuses heads of OPT, an output that exists, and a folder that is no model", async () => {
    const opt = llava.replace(/llava$/, "opt");
    expect(vlmopt("prune", opt, "--heads", "0.3", "--plan-only").stderr).toContain(
      "error: heads of opt cannot be pruned",
    );
    const out = await temporaryFolder();
    expect(vlmopt("prune", llava, out, "--glu", "0.3", "--divisor", "8").stderr).toContain(
      "is already there",
    );
    await writeCheckpoint([], join(out, "model"));
    expect(vlmopt("prune", join(out, "model"), "--glu", "0.3", "--plan-only").stderr).toBe(
      `error: ${join(out, "model")}: config.json: is not there\nhint: name the folder of a whole model\n`,
    );
    expect(await readdir(out)).toEqual(["model"]);
  });
});

describe("vlmopt cache", () => {
  it("lists what runs made, and clears it", async () => {
    const folder = await temporaryFolder();
    const name = `llava-${"a".repeat(16)}`;
    expect(vlmopt("convert", llava, join(folder, "made", name)).status).toBe(0);
    const env = { ...process.env, VLMOPT_CACHE: folder, VLMOPT_CACHE_LIMIT: "5GB" };
    const cache = (...args: string[]) =>
      spawnSync(process.execPath, [main, "cache", ...args], { encoding: "utf8", env });
    expect(cache().stdout).toMatch(
      new RegExp(`^${name} +\\d+ kB +20\\d\\d-\\d\\d-\\d\\d \\d\\d:\\d\\d`, "m"),
    );
    expect(cache().stdout).toMatch(/\/made: \d+ kB of at most 5(\.0+)? GB\n$/);
    expect(cache("clear", "nothing").stderr).toContain('holds no made checkpoint "nothing"');
    expect(cache("list", name).status).toBe(2);
    expect(cache("clear", "--to", "1GB").stdout).toMatch(/: 0 deleted, /);
    expect(cache("clear").stdout).toMatch(/: 1 deleted, \d+ kB\n$/);
    expect(JSON.parse(cache("--json").stdout)).toMatchObject({ bytes: 0, limit: 5e9, made: [] });
  });
});

describe("vlmopt compress", () => {
  const model = fileURLToPath(new URL("../../../packages/engine/goldens/vlms/llava", import.meta.url));
  const scenes = fileURLToPath(new URL("../../../fixtures/scenes", import.meta.url));
  const data = ["--calibrate", scenes, "--split", "calibration", "--samples", "24"];

  it("chooses by data, repairs what stays, quantizes it and says what rounding changed first", async () => {
    const folder = await temporaryFolder();
    const out = join(folder, "out");
    const cuts = ["--glu", "0.3", "--heads", "0.4", "--divisor", "16"];
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [main, "compress", model, out, ...cuts, "--quantize", "int4-g16", ...data],
      { encoding: "utf8", env: { ...process.env, VLMOPT_CACHE: join(folder, "cache") } },
    );
    expect({ status, stderr: stderr.replaceAll(/^\w+: .*(left|so far)\n/gm, "") }).toEqual({
      status: 0,
      stderr: "",
    });
    expect(stdout).toMatch(/^note: 30 % of 48 neurons was asked for and 33\.3 % go: 32 stay/);
    expect(stdout).toMatch(/^MLPs +2 +[\d.]+ % +[\d.]+ % +[\d.]+ %$/m);
    expect(await readdir(folder)).toEqual(expect.arrayContaining(["cache", "out"]));
    const {
      compression,
      data: about,
      blocks,
    } = JSON.parse(await readFile(join(out, "compression.json"), "utf8"));
    expect(compression).toEqual({ glu: 0.3, heads: 0.4, divisor: 16 });
    expect(about).toMatchObject({ source: "scenes calibration", items: 24 });
    expect(blocks).toHaveLength(4);
    for (const { unfittedError, streamError } of blocks) expect(streamError).toBeLessThan(unfittedError);
    expect(vlmopt("ask", out, "What is this?", "--max-new-tokens", "2").status).toBe(0);
  });

  it("goes on where it was killed, to the same bytes, and refuses other data in between", async () => {
    const folder = await temporaryFolder();
    const [whole, killed] = [join(folder, "whole"), join(folder, "killed")];
    const env = { ...process.env, VLMOPT_CACHE: join(folder, "cache") };
    const compress = (out: string, ...more: string[]) => {
      const args = [main, "compress", model, out, "--glu", "0.3", ...(more.length > 0 ? more : data)];
      return spawnSync(process.execPath, args, { encoding: "utf8", env });
    };
    expect(compress(whole).status).toBe(0);
    const child = spawn(process.execPath, [main, "compress", model, killed, "--glu", "0.3", ...data], {
      env,
    });
    const work = `${killed}.compressing`;
    const isBegun = () =>
      readdir(work)
        .then((names) => names.includes("block-0000.json"))
        .catch(() => false);
    while (!(await isBegun()) && child.exitCode === null) await new Promise((done) => setTimeout(done, 2));
    child.kill("SIGKILL");
    await once(child, "exit");
    if ((await isBegun()) && !(await readdir(folder)).includes("killed")) {
      expect(compress(killed, ...data.slice(0, -1), "23").stderr).toMatch(
        /error: .*killed\.compressing holds the beginning of a compression with another data\nhint: /,
      );
      expect(compress(killed).status).toBe(0);
    }
    for (const name of await readdir(whole)) {
      expect((await readFile(join(whole, name))).equals(await readFile(join(killed, name))), name).toBe(true);
    }
    expect((await readdir(folder)).sort()).toEqual(["cache", "killed", "whole"]);
  }, 120_000);

  it.each([
    [["--calibrate", "/nowhere.txt"], "error: /nowhere.txt: no such file\nhint: "],
    [["--calibrate", scenes, "--split", "none"], "there is no split none\nhint: "],
    [
      ["--calibrate", fileURLToPath(new URL("../README.md", import.meta.url))],
      "error: README.md is a text, and the llava answers about pictures\nhint: ",
    ],
  ])("refuses %j in one sentence, and leaves nothing", async (args, message) => {
    const folder = await temporaryFolder();
    const { status, stderr } = vlmopt("compress", model, join(folder, "out"), "--glu", "0.3", ...args);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(message) });
    expect(await readdir(folder)).toEqual([]);
  });

  it("says before it writes what choosing by weights and widths of their own mean", async () => {
    const folder = await temporaryFolder();
    const { stderr } = vlmopt("compress", model, join(folder, "out"), "--glu", "0.3", "--by-weights");
    expect(stderr).toMatch(
      /^warning: choosing by weights alone is worse than chance on trained language models/,
    );
  });
});

describe("vlmopt run, bench, report, compare and doctor", () => {
  const fixtures = fileURLToPath(new URL("../../../fixtures", import.meta.url));
  const recipe = `
name: two
data: { folder: ${fixtures}/scenes, split: test, sample: { method: first, count: 3 } }
protocol: { newTokens: 4, warmups: 0, minRepetitions: 2, minSeconds: 0, maxAnswerTokens: 32 }
metrics: [exact-match, meteor]
grids: [{ model: ${fixtures}/tiny-llava, quantize: [none, nf4] }]
`;

  async function ran() {
    const folder = await temporaryFolder();
    const path = join(folder, "two.yaml");
    await writeFile(path, recipe);
    const out = join(folder, "run");
    const run = () => {
      const { status, stdout, stderr } = spawnSync(process.execPath, [main, "run", path, "--out", out], {
        encoding: "utf8",
        env: { ...process.env, VLMOPT_CACHE: join(folder, "cache") },
      });
      return { status, stdout, stderr };
    };
    return { folder, out, path, run };
  }

  it("measures what a recipe names, writes its report, and measures nothing twice", async () => {
    const { out, run } = await ran();
    const first = run();
    expect(first.status).toBe(0);
    // Slow machines are told how far it is.
    expect(first.stderr).not.toContain("error");
    expect(first.stdout).toMatch(/^dense +f16 +15\.5 /m);
    expect(first.stdout).toMatch(/^dense nf4 +nf4 +8\.1 /m);
    expect(first.stdout).toContain(join(out, "report.html"));
    const files = await readdir(out);
    expect(files).toEqual(
      expect.arrayContaining(["report.html", "results.csv", "results.md", "summary.json", "figures"]),
    );
    const records = await readFile(join(out, "results.jsonl"), "utf8");
    expect(run().stdout).toBe(first.stdout);
    expect(await readFile(join(out, "results.jsonl"), "utf8")).toBe(records);
    const compared = vlmopt("compare", out, out, "--json");
    const { comparisons, differing } = JSON.parse(compared.stdout);
    expect(comparisons).toContainEqual(
      expect.objectContaining({ variant: "dense", figure: "meteor", difference: 0, pHolm: 1 }),
    );
    expect(differing).toEqual([]);
    expect(vlmopt("report", out)).toMatchObject({
      status: 0,
      stdout: expect.stringContaining("frontier-by-size.svg"),
    });
  });

  it("is stopped by Ctrl-C between two requests, says what is missing, and goes on when it is run again", async () => {
    const { folder, out, path, run } = await ran();
    const child = spawn(process.execPath, [main, "run", path, "--out", out], {
      env: { ...process.env, VLMOPT_CACHE: join(folder, "cache") },
      stdio: ["ignore", "ignore", "pipe"],
    });
    let stderr = "";
    child.stderr.setEncoding("utf8").on("data", (text: string) => {
      stderr += text;
    });
    // Once there is something to be lost.
    while (!(await readFile(join(out, "results.jsonl"), "utf8").catch(() => "")).includes("speed")) {
      await new Promise((resolve) => setTimeout(resolve, 5));
    }
    child.kill("SIGINT");
    const [code] = await once(child, "exit");
    expect(code).toBe(130);
    expect(stderr).toContain("interrupted; what was measured is kept: run it again to go on");
    const stopped = JSON.parse(await readFile(join(out, "summary.json"), "utf8")) as { completed: boolean };
    expect(stopped.completed).toBe(false);
    expect(run().status).toBe(0);
  });

  it("ends with 1 where a variant fails, after the others were measured", async () => {
    const { path, run } = await ran();
    await writeFile(path, recipe.replace("grids:", "variants: [{ name: lost, model: /nowhere }]\ngrids:"));
    const { status, stdout, stderr } = run();
    expect(status).toBe(1);
    expect(stdout).toMatch(/^dense nf4 +nf4 /m);
    expect(stdout).toMatch(/^lost \(failed\)/m);
    expect(stderr).toContain("lost failed: /nowhere: no such folder");
    expect(stderr).toContain("error: 1 of 3 variants failed");
  });

  it("lists benchmarks, prints one, and says what is wrong with tasks", () => {
    const { stdout } = vlmopt("tasks");
    expect(stdout.trim().split("\n")).toHaveLength(17);
    expect(stdout).toMatch(
      /^pope +POPE \(Li et al. 2023\) +lmms-lab-encoder\/POPE +data test +lmms-eval, llava-1.5 +pope *$/m,
    );
    expect(JSON.parse(vlmopt("tasks", "mme").stdout)).toMatchObject({
      name: "mme",
      metrics: ["mme"],
      full: 2000,
    });
    expect(vlmopt("tasks", "mmee").stderr).toContain(
      'error: there is no task "mmee"\nhint: there are gqa, vqav2, ',
    );
    expect(vlmopt("run", "recipe.yaml", "--limit", "3")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("error: --limit needs --tasks"),
    });
  });

  it("says what is wrong with a recipe or with options", async () => {
    const { folder } = await ran();
    expect(vlmopt("run", "/nowhere.yaml")).toMatchObject({
      status: 1,
      stderr: "error: /nowhere.yaml: no such file\n",
    });
    expect(vlmopt("report", folder).stderr).toContain("results.jsonl: no such file");
    expect(vlmopt("bench")).toMatchObject({ status: 2, stderr: expect.stringContaining("name a model") });
    expect(vlmopt("bench", "m")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("one of --data, --vqaonline and --tasks"),
    });
    expect(vlmopt("bench", "m", "--glu", "2")).toMatchObject({
      status: 2,
      stderr: expect.stringContaining("shares"),
    });
  });

  it("measures a configuration with weights that are made up", () => {
    const brief = ["--prompt-tokens", "30", "--new-tokens", "4", "--repetitions", "2", "--threads", "1"];
    const bench = (...args: string[]) => vlmopt("bench", "--random-weights", llava, ...brief, ...args);
    const table = bench("--schemes", "bf16,nf4");
    expect(table).toMatchObject({ status: 0, stderr: expect.not.stringContaining("error") });
    expect(table.stdout).toContain(`${llava}: 111,920 random weights`);
    expect(table.stdout).toContain("30 tokens of prompt, 4 of them a picture's, 4 new ones; medians of 2");
    expect(table.stdout).toMatch(/^bf16 +ort +0\.2 .*\nnf4 +ort +0\.1 /m);

    const { status, stdout, stderr } = bench("--schemes", "f32,int4-g128", "--json");
    expect(status).toBe(1);
    expect(stderr).toMatch(/^error: int4-g128: none of 36 linears would be quantized/);
    expect(JSON.parse(stdout)).toMatchObject({
      ...{ config: llava, protocol: { newTokens: 4, repetitions: 2 } },
      schemes: [
        { scheme: "f32", error: null, bytes: 4 * 111_920, speed: { ttft: { samples: 2 } } },
        { scheme: "int4-g128", error: expect.any(String) },
      ],
    });
  });

  it.each([
    [["--random-weights", "/nowhere.json"], 1, "error: /nowhere.json: no such file\n"],
    [["--random-weights", main], 1, "is not valid JSON"],
    [["--random-weights", llava, "--schemes", "int5"], 2, 'random weights are not made as "int5"'],
    [["--random-weights", llava, "--prompt-tokens", "0"], 2, "It is 0, not a whole number from 1 on."],
    [["--random-weights", llava, "--data", "x"], 2, "leave --data out"],
    [["m", "--random-weights", llava], 2, "leave m out"],
    [["m", "--data", "x", "--schemes", "nf4"], 2, "--schemes needs --random-weights"],
  ])("tells what is wrong with %j", (args, status, message) => {
    expect(vlmopt("bench", ...args)).toMatchObject({ status, stderr: expect.stringContaining(message) });
  });

  it("says what works on this machine, and never shows a token", () => {
    const { status, stdout } = spawnSync(process.execPath, [main, "doctor", "--json"], {
      encoding: "utf8",
      env: { ...process.env, HF_TOKEN: "hf_secret" },
    });
    expect(status).toBe(0);
    expect(stdout).not.toContain("hf_secret");
    expect(JSON.parse(stdout)).toEqual(
      expect.arrayContaining([
        { what: "executor ort", found: "works", ok: true },
        { what: "executor plain", found: "works", ok: true },
        { what: "hub's token", found: "there", ok: true },
      ]),
    );
  });
});
