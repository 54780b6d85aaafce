import { collectDefaultMetrics, type Registry } from 'prom-client';

/** Milliseconds between two looks at how late timers are. Each wakes the process, which else may sleep. */
const eventLoopMonitoringPrecision = 1000;

/** What a daemon's process itself costs: CPU, memory, files, how late its timers are. */
export function collectProcessMetrics(register: Registry): void {
  collectDefaultMetrics({ register, eventLoopMonitoringPrecision });
}
