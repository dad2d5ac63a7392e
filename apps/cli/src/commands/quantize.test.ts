import { spawnSync } from "node:child_process";
import { mkdtemp, readdir, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { openCheckpoint, readTensor, toFloat32 } from "@vlmopt/tensor-io";
import { describe, expect, it, onTestFinished } from "vitest";

const main = fileURLToPath(new URL("../../dist/main.js", import.meta.url));
const llava = fileURLToPath(new URL("../../../../fixtures/checkpoints/llava", import.meta.url));

function vlmopt(...args: string[]) {
  const { status, stdout, stderr } = spawnSync(process.execPath, [main, ...args], { encoding: "utf8" });
  return { status, stdout, stderr };
}

async function temporaryFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "vlmopt-cli-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

describe("vlmopt quantize", () => {
  it("writes 4-bit weights with their plan, and says what that cost", async () => {
    const out = join(await temporaryFolder(), "out");
    const { status, stdout } = vlmopt(
      "quantize",
      llava,
      out,
      "--scheme",
      "nf4",
      "--preset",
      "fast",
      "--by-weights",
    );
    expect(status).toBe(0);
    // 4 bits, and 32 for each block of 64.
    expect(stdout).toMatch(/^bits a weight of 21 linears +32\.00 +4\.\d\d$/m);
    expect(stdout).toMatch(/^qProj +3 +0\.\d{3} % +0\.\d{3} %$/m);
    expect(stdout).toMatch(/^worst: language_model\.\S+ 0\.\d{3} %$/m);
    expect((await readdir(out)).sort()).toEqual([
      ".vlmopt.json",
      "README.md",
      "config.json",
      "generation_config.json",
      "model.safetensors",
      "quantization.json",
    ]);
    const card = await readFile(join(out, "README.md"), "utf8");
    expect(card).toContain("base_model_relation: quantized");
    expect(card).toContain("| bits a weight of those linears | 32.00 | 4.");
    const config = JSON.parse(await readFile(join(out, "config.json"), "utf8"));
    expect(config.quantization_config).toMatchObject({
      quant_method: "bitsandbytes",
      bnb_4bit_quant_type: "nf4",
    });
  });

  it("prints the plan alone as JSON, naming what it skips", () => {
    const args = [
      "quantize",
      llava,
      "--scheme",
      "int4-g16",
      "--skip",
      "*.layers.0.*",
      "*.v_proj.weight",
      "--plan-only",
    ];
    const plan = JSON.parse(vlmopt(...args, "--json").stdout);
    expect(plan.made).toEqual({ scheme: "int4-g16", preset: "fast", skip: "*.layers.0.* *.v_proj.weight" });
    expect(plan.groups.map(({ tensors }: { tensors: string[] }) => tensors.length)).toEqual([12]);
  });

  it.each([
    [[llava, "--scheme", "nf4"], 2, "error: name the folder to write, or ask for --plan-only"],
    [[llava, "out", "--scheme", "int3"], 2, 'error: no scheme is named "int3": there are int4-g32'],
    [[llava, llava, "--scheme", "nf4"], 1, "is already there"],
    [[llava, "out", "--scheme", "nf4", "--by-weights", "--method", "gptq"], 2, "--method says nothing with"],
    [
      [llava, "out", "--scheme", "nf4", "--method", "magic"],
      2,
      "Allowed choices are gptq, awq, clip, imatrix, rtn",
    ],
    [[llava, "out", "--scheme", "gguf-q4_0", "--calibrate", "x"], 2, "--calibrate says nothing with a gguf"],
    [[llava, "out"], 2, "error: say how weights are stored: --scheme, or a budget, --bits or --size"],
    [[llava, "out", "--bits", "4", "--size", "1MB"], 2, "error: give either bits or a size"],
    [[llava, "out", "--bits", "4", "--by-weights"], 2, "--bits says nothing with --by-weights"],
    [[llava, "--bits", "4", "--plan-only"], 2, "--bits and --size have no plan before data were read"],
    [[llava, "out", "--scheme", "int3-g16,int4-g16"], 2, "names 2 schemes: a budget of bits or bytes"],
  ])("refuses %j", (args, code, message) => {
    const { status, stderr } = vlmopt("quantize", ...args);
    expect(status).toBe(code);
    expect(stderr).toContain(message);
  });

  it("refuses what is quantized already", async () => {
    const out = join(await temporaryFolder(), "out");
    vlmopt("quantize", llava, out, "--scheme", "int8", "--by-weights");
    const { status, stderr } = vlmopt("quantize", out, "--scheme", "int8", "--plan-only");
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `error: ${out}: config.json: says that the weights are quantized already (compressed-tensors)\nhint: run vlmopt dequantize first\n`,
    });
  });
});

describe("vlmopt quantize, by data", () => {
  const model = fileURLToPath(new URL("../../../../packages/engine/goldens/vlms/llava", import.meta.url));

  it("rounds while the model reads what it answers itself, and says what each linear lost", async () => {
    const folder = await temporaryFolder();
    const out = join(folder, "out");
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [main, "quantize", model, out, "--scheme", "int4-g16-zero", "--json"],
      { encoding: "utf8", env: { ...process.env, VLMOPT_CACHE: join(folder, "cache") } },
    );
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const report = JSON.parse(stdout);
    expect(report.plan.made).toEqual({ scheme: "int4-g16-zero", preset: "fast", method: "gptq" });
    const linears = report.blocks.flatMap((block: { linears?: object[] }) => block.linears ?? []);
    expect(linears.length).toBe(Object.keys(report.errors).length);
    for (const { nearest, error } of linears) expect(error).toBeLessThan(nearest);
    const record = JSON.parse(await readFile(join(out, "compression.json"), "utf8"));
    expect(record.data.source).toBe("the model's own answers");
    expect(await readFile(join(out, "README.md"), "utf8")).toMatch(
      /q_proj.weight \| gptq \| .* % \| .* % \|/,
    );
    expect(await readdir(out)).not.toContain("pruning.json");
    expect(vlmopt("dequantize", out, join(folder, "again")).status).toBe(0);
  });

  it("scales channels by AWQ, norms and neighbours along with them, so that the model computes the same", async () => {
    const folder = await temporaryFolder();
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [
        main,
        "quantize",
        model,
        join(folder, "out"),
        "--scheme",
        "int8-g16-zero",
        "--method",
        "awq",
        "--json",
      ],
      { encoding: "utf8", env: { ...process.env, VLMOPT_CACHE: join(folder, "cache") } },
    );
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const { blocks } = JSON.parse(stdout);
    expect(blocks.at(-1).streamError).toBeLessThan(1e-3);
    await using before = await openCheckpoint(model);
    await using after = await openCheckpoint(join(folder, "out"));
    const name = "language_model.model.layers.0.input_layernorm.weight";
    const gain = async (checkpoint: typeof before) =>
      toFloat32(await readTensor(checkpoint, name), checkpoint.tensors.get(name)?.dtype ?? "F32");
    expect(await gain(after)).not.toEqual(await gain(before));
  });

  it("chooses each linear's scheme within a budget of bits", async () => {
    const folder = await temporaryFolder();
    const out = join(folder, "out");
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [main, "quantize", model, out, "--bits", "5", "--scheme", "int3-g16-zero,int4-g16-zero,int8", "--json"],
      { encoding: "utf8", env: { ...process.env, VLMOPT_CACHE: join(folder, "cache") } },
    );
    expect({ status, stderr }).toMatchObject({ status: 0 });
    const { plan, formats } = JSON.parse(stdout);
    expect(plan.after.bitsPerWeight).toBeGreaterThan(4.7);
    expect(plan.after.bitsPerWeight).toBeLessThanOrEqual(5);
    expect(plan.groups.length).toBeGreaterThan(1);
    for (const { scheme, losses } of formats.linears) {
      expect(losses["int4-g16-zero"]).toBeLessThan(losses["int3-g16-zero"]);
      expect(Object.keys(losses)).toContain(scheme);
    }
    expect(await readFile(join(out, "README.md"), "utf8")).toContain("within 5 bits a weight");
  });
});

describe("vlmopt quantize --scheme gguf-…", () => {
  const model = fileURLToPath(new URL("../../../../packages/engine/goldens/vlms/llava", import.meta.url));

  it("writes files for llama.cpp: the text model's, and the vision part's", async () => {
    const out = join(await temporaryFolder(), "out");
    const { status, stdout } = vlmopt("quantize", model, out, "--scheme", "gguf-q4_0");
    expect(status).toBe(0);
    expect(stdout).toMatch(/^matrices of the text model: .*\d+ Q4_0/m);
    const files = (await readdir(out)).sort();
    expect(files).toEqual([".vlmopt.json", "llava-Q4_0.gguf", "mmproj-llava-F16.gguf"]);
    for (const file of files.slice(1))
      expect((await readFile(join(out, file))).toString("latin1", 0, 4)).toBe("GGUF");
  });

  it("refuses to print a plan, and models that the files cannot describe", async () => {
    expect(vlmopt("quantize", model, "--scheme", "gguf-q4_k", "--plan-only").status).toBe(2);
    const opt = fileURLToPath(new URL("../../../../fixtures/checkpoints/opt", import.meta.url));
    const out = join(await temporaryFolder(), "out");
    const { status, stderr } = vlmopt("quantize", opt, out, "--scheme", "gguf-q4_0");
    expect(status).toBe(1);
    expect(stderr).toContain(
      "GGUF files are written for llama, qwen2, qwen3, gemma, gemma2, mistral text models, and this is opt",
    );
  });
});

describe("vlmopt dequantize", () => {
  it("gives back plain weights, as near as was said", async () => {
    const folder = await temporaryFolder();
    const [small, again] = [join(folder, "small"), join(folder, "again")];
    const report = JSON.parse(
      vlmopt("quantize", llava, small, "--scheme", "int8", "--json", "--by-weights").stdout,
    );
    expect(vlmopt("dequantize", small, again, "--dtype", "f32").status).toBe(0);
    // Neither folder has the card of the model before.
    expect(await readFile(join(small, "README.md"), "utf8")).toContain("# llava, quantized");
    expect(await readFile(join(again, "README.md"), "utf8")).toContain("# small, dequantized");
    expect(await readdir(again)).not.toContain("quantization.json");
    await using before = await openCheckpoint(llava);
    await using after = await openCheckpoint(again);
    const [[name, said]] = Object.entries(report.errors) as [[string, number]];
    const [old, own] = [before, after].map(async (checkpoint) =>
      toFloat32(await readTensor(checkpoint, name), "F32"),
    );
    const [weights, decoded] = [(await old) ?? [], (await own) ?? []];
    let [error, energy] = [0, 0];
    for (const [i, weight] of weights.entries()) {
      error += (weight - (decoded[i] as number)) ** 2;
      energy += weight ** 2;
    }
    expect(error / energy).toBeCloseTo(said, 9);
    expect(said).toBeGreaterThan(0);
    expect(await readFile(join(again, "config.json"), "utf8")).not.toContain("quantization_config");
  });

  it("refuses plain weights", () => {
    const { status, stderr } = vlmopt("dequantize", llava, "out");
    expect(status).toBe(1);
    expect(stderr).toContain("holds no weights of a format that can be dequantized");
  });
});

describe("vlmopt prune --quantize", () => {
  it("gives the bytes of pruning first and quantizing then, in one pass", async () => {
    const folder = await temporaryFolder();
    const [pruned, twice, once] = ["pruned", "twice", "once"].map((name) => join(folder, name)) as [
      string,
      string,
      string,
    ];
    const cuts = ["--glu", "0.3", "--heads", "0.25", "--divisor", "16", "--by-weights"];
    expect(vlmopt("prune", llava, pruned, ...cuts).status).toBe(0);
    expect(vlmopt("quantize", pruned, twice, "--scheme", "nf4-dq", "--by-weights").status).toBe(0);
    const { status, stdout } = vlmopt("prune", llava, once, ...cuts, "--quantize", "nf4-dq");
    expect(status).toBe(0);
    expect(stdout).toContain("of what stays:");
    for (const file of ["model.safetensors", "config.json", "quantization.json"]) {
      expect(await readFile(join(once, file))).toEqual(await readFile(join(twice, file)));
    }
  });
});
