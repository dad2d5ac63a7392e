// NVIDIA's management library, called directly: https://docs.nvidia.com/deploy/nvml-api
import { createRequire } from "node:module";

export interface Nvml {
  readonly driver: string;
  readonly devices: readonly NvmlDevice[];
  close(): void;
}

export interface NvmlDevice {
  readonly name: string;
  readonly memory: number;
  /** Bytes of the device in use, whoever uses them. */
  used(): number;
  /** Bytes by process, of compute and of graphics; a process that NVML knows no bytes of is left out. */
  processes(): ReadonlyMap<number, number>;
  /** Joules since the driver was loaded; undefined where the device does not count them. */
  energy(): number | undefined;
  /** Watts. */
  power(): number | undefined;
  /** Percent of the last sampling period in which a kernel ran. */
  utilisation(): number | undefined;
  /** MHz of the multiprocessors. */
  clock(): number | undefined;
}

const LIBRARIES = process.platform === "win32" ? ["nvml.dll"] : ["libnvidia-ml.so.1", "libnvidia-ml.so"];
const SUCCESS = 0;
const INSUFFICIENT_SIZE = 7;
const SM_CLOCK = 1;
/** What NVML says where it does not know the memory of a process. */
const NOT_AVAILABLE = 0xffff_ffff_ffff_ffffn;
/** nvmlProcessInfo_t: u32 pid, u64 usedGpuMemory, u32 gpuInstanceId, u32 computeInstanceId. */
export const PROCESS_INFO = { size: 24, memory: 8 } as const;
const MOST_PROCESSES = 256;

type Function = (...args: unknown[]) => number;

/** @returns undefined where the library or the driver is not there */
export function openNvml(libraries: readonly string[] = LIBRARIES): Nvml | undefined {
  let library: { func(declaration: string): unknown } | undefined;
  try {
    // Loaded where it is used, so that machines without its prebuilt binary do the rest.
    const koffi = createRequire(import.meta.url)("koffi") as typeof import("koffi");
    for (const name of libraries) {
      try {
        library ??= koffi.load(name);
      } catch {
        // The next name, or none.
      }
    }
  } catch {
    return undefined;
  }
  if (library === undefined) return undefined;
  const declared = library;
  const nvml = (declaration: string) => declared.func(`int ${declaration}`) as Function;
  try {
    if (nvml("nvmlInit_v2()")() !== SUCCESS) return undefined;
    const text = Buffer.alloc(96);
    nvml("nvmlSystemGetDriverVersion(_Out_ uint8_t *version, uint32_t length)")(text, text.length);
    const driver = textOf(text);
    const count = Buffer.alloc(4);
    nvml("nvmlDeviceGetCount_v2(_Out_ uint8_t *count)")(count);
    const shutdown = nvml("nvmlShutdown()");
    const open = deviceOpener(nvml);
    const devices = Array.from({ length: count.readUInt32LE() }, (_, index) => open(index));
    return { driver, devices, close: () => void shutdown() };
  } catch {
    // An old driver lacks functions.
    return undefined;
  }
}

function deviceOpener(nvml: (declaration: string) => Function): (index: number) => NvmlDevice {
  const handleOf = nvml("nvmlDeviceGetHandleByIndex_v2(uint32_t index, _Out_ void **device)");
  const nameOf = nvml("nvmlDeviceGetName(void *device, _Out_ uint8_t *name, uint32_t length)");
  const memoryOf = nvml("nvmlDeviceGetMemoryInfo(void *device, _Out_ uint8_t *memory)");
  const energyOf = nvml("nvmlDeviceGetTotalEnergyConsumption(void *device, _Out_ uint8_t *energy)");
  const powerOf = nvml("nvmlDeviceGetPowerUsage(void *device, _Out_ uint8_t *power)");
  const utilisationOf = nvml("nvmlDeviceGetUtilizationRates(void *device, _Out_ uint8_t *rates)");
  const clockOf = nvml("nvmlDeviceGetClockInfo(void *device, int type, _Out_ uint8_t *clock)");
  const kinds = ["Compute", "Graphics"].map((kind) =>
    nvml(
      `nvmlDeviceGet${kind}RunningProcesses_v3(void *device, _Inout_ uint8_t *count, _Out_ uint8_t *infos)`,
    ),
  );
  return (index) => {
    const handle = [null];
    handleOf(index, handle);
    const [device] = handle;
    const bytes = Buffer.alloc(32);
    const read = (call: Function, ...args: unknown[]) =>
      call(device, ...args, bytes) === SUCCESS ? bytes : undefined;
    const name = Buffer.alloc(96);
    nameOf(device, name, name.length);
    return {
      name: textOf(name),
      memory: Number(read(memoryOf)?.readBigUInt64LE() ?? 0n),
      used: () => Number(read(memoryOf)?.readBigUInt64LE(16) ?? 0n),
      processes() {
        const found = new Map<number, number>();
        for (const kind of kinds) for (const [pid, used] of processesOf(kind, device)) found.set(pid, used);
        return found;
      },
      energy: () => scaled(read(energyOf)?.readBigUInt64LE(), 1e-3),
      power: () => scaled(read(powerOf)?.readUInt32LE(), 1e-3),
      utilisation: () => read(utilisationOf)?.readUInt32LE(),
      clock: () => read(clockOf, SM_CLOCK)?.readUInt32LE(),
    };
  };
}

function processesOf(call: Function, device: unknown): [number, number][] {
  const count = Buffer.alloc(4);
  count.writeUInt32LE(MOST_PROCESSES);
  const infos = Buffer.alloc(MOST_PROCESSES * PROCESS_INFO.size);
  const status = call(device, count, infos);
  if (status !== SUCCESS && status !== INSUFFICIENT_SIZE) return [];
  return Array.from(
    { length: Math.min(MOST_PROCESSES, count.readUInt32LE()) },
    (_, i) => i * PROCESS_INFO.size,
  )
    .filter((at) => infos.readBigUInt64LE(at + PROCESS_INFO.memory) !== NOT_AVAILABLE)
    .map((at) => [infos.readUInt32LE(at), Number(infos.readBigUInt64LE(at + PROCESS_INFO.memory))]);
}

function scaled(value: number | bigint | undefined, factor: number): number | undefined {
  return value === undefined ? undefined : Number(value) * factor;
}

function textOf(bytes: Buffer): string {
  return bytes.toString("utf8", 0, Math.max(0, bytes.indexOf(0)));
}
