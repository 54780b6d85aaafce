import { clipHaproxyTime, formatHaproxyTime, formatReloadInterval, parseGoDuration } from '../go-duration.ts';
import { annotations } from '../names.ts';
import type { IngressControllerSpec } from '../spec.ts';
import type { Variables } from './model.ts';

type Tuning = NonNullable<IngressControllerSpec['tuningOptions']>;

/** Timeouts that a duration above zero sets. */
const timeouts = {
  tunnelTimeout: 'ROUTER_DEFAULT_TUNNEL_TIMEOUT',
  clientTimeout: 'ROUTER_DEFAULT_CLIENT_TIMEOUT',
  clientFinTimeout: 'ROUTER_CLIENT_FIN_TIMEOUT',
  serverTimeout: 'ROUTER_DEFAULT_SERVER_TIMEOUT',
  serverFinTimeout: 'ROUTER_DEFAULT_SERVER_FIN_TIMEOUT',
  connectTimeout: 'ROUTER_DEFAULT_CONNECT_TIMEOUT',
  httpKeepAliveTimeout: 'ROUTER_SLOWLORIS_HTTP_KEEPALIVE',
  tlsInspectDelay: 'ROUTER_INSPECT_DELAY',
} as const satisfies Partial<Record<keyof Tuning, string>>;

/** Default number of HAProxy's threads. The agent's own default is one per CPU. */
const usualThreads = 4;

/** Minimum interval of health checks in nanoseconds. Shorter ones are ignored. */
const shortestCheck = 1e9;

/** Returns the variables of `spec.tuningOptions`, and of the annotation for hard stops. */
export function writeTuningVariables(tuning: Tuning, written: Readonly<Record<string, string>>): Variables {
  const { maxConnections = 0, headerBufferBytes, headerBufferMaxRewriteBytes, threadCount } = tuning;
  const interval = nanosecondsOf(tuning.healthCheckInterval);
  const hardStop = clipHaproxyTime(written[annotations.hardStopAfter] ?? '');
  return {
    ...Object.fromEntries(
      Object.entries(timeouts).flatMap(([field, variable]) => {
        const time = nanosecondsOf(tuning[field as keyof typeof timeouts]);
        return time > 0 ? [[variable, formatHaproxyTime(time)]] : [];
      }),
    ),
    ROUTER_THREADS: `${threadCount || usualThreads}`,
    ...(maxConnections !== 0 && { ROUTER_MAX_CONNECTIONS: maxConnections === -1 ? 'auto' : `${maxConnections}` }),
    ...(headerBufferBytes && { ROUTER_BUF_SIZE: `${headerBufferBytes}` }),
    ...(headerBufferMaxRewriteBytes && { ROUTER_MAX_REWRITE_SIZE: `${headerBufferMaxRewriteBytes}` }),
    ...(interval >= shortestCheck && { ROUTER_BACKEND_CHECK_INTERVAL: formatHaproxyTime(interval) }),
    RELOAD_INTERVAL: formatReloadInterval(nanosecondsOf(tuning.reloadInterval)),
    ...(hardStop !== undefined && { ROUTER_HARD_STOP_AFTER: hardStop }),
  };
}

function nanosecondsOf(text: string | undefined): number {
  return text === undefined ? 0 : (parseGoDuration(text) ?? 0);
}
