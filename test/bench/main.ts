/** Measures; prints tables. Every figure of a table comes from one run, the contestants in turn. */
import { cpus, release } from 'node:os';
import { benchAddresses } from './addresses.ts';
import { benchAttach, benchStart } from './attach.ts';
import { benchConditions } from './conditions.ts';
import { benchConnections } from './connections.ts';
import { benchFilters } from './filters.ts';
import { benchHttp } from './http.ts';
import { benchIngressChange } from './ingress-change.ts';
import { benchIngressScale } from './ingress-scale.ts';
import { benchIngressTraffic } from './ingress-traffic.ts';
import { benchHttpRoutes, benchIngresses } from './ingresses.ts';
import { benchLongLists } from './long-lists.ts';
import { benchNames, benchNode } from './node.ts';
import { benchPath } from './path.ts';

const parts = [
  ['Start', benchStart],
  ['Attaching a pod, each in a new network namespace', benchAttach],
  ['Whole connections, 32 workers with an address each; their own program is the slowest part', benchConnections],
  ['First packets of new connections, from 200 client addresses', benchPath],
  ['Ingress: traffic to an endpoint on the node', benchIngressTraffic],
  ['Ingress: from a changed file to the first connection by it, beside 1,000 other ports', benchIngressChange],
  ['Ingress: 10,000 Routes with 100,000 endpoints', benchIngressScale],
  ['The daemon of a node', benchNode],
  ['Names of destinations', benchNames],
  ['HTTP: 10,000 Routes in HAProxy', benchHttp],
  ['Filters: CPU of a request beside HAProxy by hand', benchFilters],
  ['Conditions: CPU of a request at a listener of a Gateway', benchConditions],
  ['Ingresses: 10,000 in the whole agent', benchIngresses],
  ['HTTPRoutes: 10,000 of one Gateway in the whole agent', benchHttpRoutes],
  ['Virtual addresses: moves between three nodes', benchAddresses],
  ['Long lists: 40 Routes with 15,000 networks each, rewritten', benchLongLists],
] as const;
const chosen = process.argv.slice(2);

console.log(`${cpus().length} × ${cpus()[0]?.model.trim()}, Linux ${release()}; medians.`);
for (const [title, measure] of parts) {
  if (chosen.length > 0 && !chosen.some((word) => title.toLowerCase().includes(word.toLowerCase()))) continue;
  console.log(`\n${title}:\n\n${await measure()}`);
}
process.exit(0);
