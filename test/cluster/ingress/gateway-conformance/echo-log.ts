import type { EchoPod, ReceivedQuestion } from './echo-protocol.ts';

/** Requests that the pods of this process received: `NAMESPACE/POD URI`. */
const received: string[] = [];

/** Number of failures by the UUID of a request. */
const failures = new Map<string, number>();

/** Records a request, as the suite's server does in its log. */
export function noteReceived({ namespace, name }: EchoPod, uri: string): void {
  received.push(`${namespace}/${name} ${uri}`);
}

/** Returns how many requests with a URI the pods of a backend received. */
export function countReceived({ uri, backend, namespace }: ReceivedQuestion): number {
  return received.filter((one) => one.startsWith(`${namespace}/${backend}`) && one.endsWith(` ${uri}`)).length;
}

/** Returns the status that a request for `/retry/` gets, or undefined if it has failed often enough. */
export function failOnPurpose(uri: string): number | undefined {
  const { pathname, searchParams: words } = new URL(uri, 'http://x');
  if (!pathname.startsWith('/retry/')) return undefined;
  const uuid = words.get('uuid') ?? '';
  const count = failures.get(uuid) ?? 0;
  if (count >= Number(words.get('succeedAfter'))) return undefined;
  failures.set(uuid, count + 1);
  return Number(words.get('responseCode'));
}
