import { readdirSync, readFileSync } from "node:fs";
import type { Metric } from "./exposition.ts";

const MICROS = 1e6;
const MILLIS = 1e3;
const KIB = 1024;

/** What one likes to know of any process, by the names that all of Prometheus' clients use, and of Node. */
export function processMetrics(): Metric[] {
  const { user, system } = process.cpuUsage();
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage();
  return [
    gauge("nodejs_external_memory_bytes", "Memory of buffers outside of the heap.", external),
    gauge("nodejs_heap_size_total_bytes", "Memory of the heap.", heapTotal),
    gauge("nodejs_heap_size_used_bytes", "Memory of the heap that is in use.", heapUsed),
    {
      ...gauge("nodejs_version_info", "The version of Node.js.", 1),
      samples: [{ labels: [["version", process.version]], value: 1 }],
    },
    {
      ...gauge("process_cpu_seconds_total", "Time of the processor, for itself and in the kernel.", 0),
      type: "counter",
      samples: [{ labels: [], value: (user + system) / MICROS }],
    },
    ...kernelMetrics(),
    gauge("process_resident_memory_bytes", "Memory that is held.", rss),
    gauge("process_start_time_seconds", "When it began, since 1970.", performance.timeOrigin / MILLIS),
  ];
}

function gauge(name: string, help: string, value: number): Metric {
  return { name, type: "gauge", help, samples: [{ labels: [], value }] };
}

/** What only Linux tells, and only where /proc is there. */
function kernelMetrics(): Metric[] {
  try {
    const limits = readFileSync("/proc/self/limits", "latin1");
    const status = readFileSync("/proc/self/status", "latin1");
    const most = Number(/^Max open files\s+(\d+)/m.exec(limits)?.[1] ?? 0);
    const virtual = Number(/^VmSize:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * KIB;
    return [
      gauge("process_max_fds", "File descriptors that it may have open.", most),
      gauge("process_open_fds", "File descriptors that it has open.", readdirSync("/proc/self/fd").length),
      gauge("process_virtual_memory_bytes", "Addresses that are taken.", virtual),
    ];
  } catch {
    return [];
  }
}
