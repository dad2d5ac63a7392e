import type { DeviceFigures, Environment, MemoryFigure } from "../records/run-summary.ts";
import { smiDevices, smiProcesses } from "./nvidia-smi.ts";
import { type Nvml, openNvml } from "./nvml.ts";
import { processTree } from "./process-tree.ts";

/** Milliseconds between samples: NVML answers in microseconds, nvidia-smi in tenths of a second. */
const NVML_INTERVAL = 50;
const SMI_INTERVAL = 1000;

/** What was seen of the graphics cards while a process ran. */
export interface GpuReadings {
  readonly memory: MemoryFigure | null;
  readonly device: DeviceFigures | null;
  /** Joules of all devices. */
  readonly joules: number | null;
}

export interface GpuMeter {
  /** Energy counts from now on: loading is not answering. */
  beginEnergy(): void;
  stop(): Promise<GpuReadings>;
}

interface Sample {
  /** Bytes of the processes; undefined where none of them is known to the driver. */
  readonly own: number | undefined;
  /** Bytes of the devices, whoever uses them. */
  readonly all: number;
  readonly power: number | undefined;
  readonly utilisation: number | undefined;
  readonly clock: number | undefined;
}

interface Sampler {
  readonly method: string;
  readonly names: readonly string[];
  readonly interval: number;
  sample(): Promise<Sample> | Sample;
  joules(): number | undefined;
  close(): void;
}

const NOTHING: GpuReadings = { memory: null, device: null, joules: null };

/** Watches the graphics cards of a process, and of all that it starts, until it is stopped; knows nothing where there are none. */
export async function startGpuMeter(pid: number): Promise<GpuMeter> {
  const sampler = nvmlSampler(pid) ?? (await smiSampler(pid));
  if (sampler === undefined) return { beginEnergy() {}, stop: async () => NOTHING };
  const samples: Sample[] = [await sampler.sample()];
  let begun = sampler.joules();
  let running = true;
  const sampling = (async () => {
    while (running) {
      await new Promise((resolve) => setTimeout(resolve, sampler.interval));
      samples.push(await sampler.sample());
    }
  })();
  return {
    beginEnergy() {
      begun = sampler.joules();
    },
    async stop() {
      running = false;
      await sampling;
      const ended = sampler.joules();
      sampler.close();
      const { method, names } = sampler;
      return {
        memory: peakMemory(samples, method),
        device: {
          names,
          utilisation: meanOf(samples.map(({ utilisation }) => utilisation)),
          clock: meanOf(samples.map(({ clock }) => clock)),
          power: meanOf(samples.map(({ power }) => power)),
          method: `${method}, sampled every ${sampler.interval} ms`,
        },
        joules: begun === undefined || ended === undefined ? null : ended - begun,
      };
    },
  };
}

/** Processes in a container have other numbers outside of it, and the driver tells those: then the growth of all is what there is. */
function peakMemory(samples: readonly Sample[], method: string): MemoryFigure | null {
  const own = samples.flatMap((sample) => sample.own ?? []);
  if (own.length > 0) return { bytes: Math.max(...own), method: `${method}, sampled, process tree` };
  const grown = Math.max(...samples.map(({ all }) => all)) - (samples[0]?.all ?? 0);
  return grown > 0 ? { bytes: grown, method: `${method}, sampled, growth of all processes` } : null;
}

function nvmlSampler(pid: number): Sampler | undefined {
  const nvml = openNvml();
  if (nvml === undefined) return undefined;
  if (nvml.devices.length === 0) {
    nvml.close();
    return undefined;
  }
  const { devices } = nvml;
  return {
    method: "NVML",
    names: devices.map(({ name }) => name),
    interval: NVML_INTERVAL,
    sample() {
      const tree = processTree(pid);
      const own = devices.flatMap((device) => [...device.processes()]).filter(([id]) => tree.has(id));
      return {
        own: own.length === 0 ? undefined : own.reduce((sum, [, bytes]) => sum + bytes, 0),
        all: devices.reduce((sum, device) => sum + device.used(), 0),
        power: sumOf(devices.map((device) => device.power())),
        utilisation: meanOf(devices.map((device) => device.utilisation())) ?? undefined,
        clock: meanOf(devices.map((device) => device.clock())) ?? undefined,
      };
    },
    joules: () => sumOf(devices.map((device) => device.energy())),
    close: () => nvml.close(),
  };
}

async function smiSampler(pid: number): Promise<Sampler | undefined> {
  const devices = await smiDevices();
  if (devices.length === 0) return undefined;
  return {
    method: "nvidia-smi",
    names: devices.map(({ name }) => name),
    interval: SMI_INTERVAL,
    async sample() {
      const [now, processes] = await Promise.all([smiDevices(), smiProcesses()]);
      const tree = processTree(pid);
      const own = [...processes].filter(([id]) => tree.has(id));
      return {
        own: own.length === 0 ? undefined : own.reduce((sum, [, bytes]) => sum + bytes, 0),
        all: now.reduce((sum, { used }) => sum + used, 0),
        power: sumOf(now.map(({ power }) => power)),
        utilisation: meanOf(now.map(({ utilisation }) => utilisation)) ?? undefined,
        clock: meanOf(now.map(({ clock }) => clock)) ?? undefined,
      };
    },
    joules: () => undefined,
    close() {},
  };
}

/** NVIDIA's graphics cards of this machine. */
export async function gpuList(): Promise<Environment["gpus"]> {
  const nvml = openNvml();
  if (nvml !== undefined) return listOf(nvml);
  return (await smiDevices()).map(({ name, memory, driver }) => ({ name, memory, driver }));
}

function listOf(nvml: Nvml): Environment["gpus"] {
  const gpus = nvml.devices.map(({ name, memory }) => ({ name, memory, driver: nvml.driver }));
  nvml.close();
  return gpus;
}

function meanOf(values: readonly (number | undefined)[]): number | null {
  const known = values.filter((value) => value !== undefined);
  return known.length === 0 ? null : known.reduce((sum, value) => sum + value, 0) / known.length;
}

function sumOf(values: readonly (number | undefined)[]): number | undefined {
  return values.some((value) => value === undefined)
    ? undefined
    : values.reduce((sum: number, value) => sum + (value ?? 0), 0);
}
