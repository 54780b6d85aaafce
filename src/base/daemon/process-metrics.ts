import { collectDefaultMetrics, type Registry } from 'prom-client';

/** Milliseconds between samples of the event loop lag. Each one wakes an idle process. */
const eventLoopMonitoringPrecision = 1000;

/** Collects metrics of the process: CPU, memory, open files, event loop lag. */
export function collectProcessMetrics(register: Registry): void {
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision });
}
