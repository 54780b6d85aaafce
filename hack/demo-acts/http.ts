import { TestAuthority } from '../../test/lab/certificates.ts';
import { type Answer, HttpNode } from '../../test/lab/http-node.ts';
import { route, service } from '../../test/netns/ingress/http/objects.ts';
import type { Stage } from './stage.ts';

const picture = `
  browser ──► :80, :443 HAProxy ─┬─ plain.example        ──►  web pods         HTTP
            (driven by the agent) ├─ shop.example   edge  ──►  web pods         TLS ends at the router
                                 ├─ bank.example   re-encrypt ─►  secure pod    TLS again, checked
                                 └─ vault.example  passthrough ►  secure pod    TLS of the pod itself
`;

const authority = new TestAuthority('demo authority');

/** Third act: hosts and paths, with a HAProxy that the agent controls. */
export async function playHttp(stage: Stage): Promise<void> {
  stage.act('The same agent serves hosts and paths with HAProxy');
  stage.show(picture);
  const node = new HttpNode('erdemo-http', {
    ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms',
    ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s',
  });
  try {
    await node.up();
    for (const port of [8001, 8002, 8003]) await node.serve({ name: `web-${port}`, port });
    const pod = authority.issue({ name: 'secure pod', hosts: ['secure.shop.svc'] });
    await node.serve({ name: 'secure-8443', port: 8443, ...pod });
    node.write('services', ...service('web', [8001]), ...service('beta', [8002]), ...service('secure', [8443]));
    writeShop(node, 'shop.example, first');
    node.write(
      'routes',
      route('plain', 'plain.example'),
      route('cart', 'plain.example', { age: 1, service: 'beta', spec: { path: '/cart' } }),
      route('bank', 'bank.example', {
        service: 'secure',
        spec: { tls: { termination: 'reencrypt', destinationCACertificate: authority.certificate } },
      }),
      route('vault', 'vault.example', { service: 'secure', spec: { tls: { termination: 'passthrough' } } }),
    );
    await node.start('--cleanup-on-exit');
    await playBrowser(stage, node);
    await playWeights(stage, node);
    await playChanges(stage, node);
  } finally {
    await node.end('SIGTERM');
    node.down();
  }
}

/** Writes a Route whose certificate has its own name, so that a change is visible. */
function writeShop(node: HttpNode, subject: string): void {
  const { certificate, key } = authority.issue({ name: subject, hosts: ['shop.example'] });
  const tls = { termination: 'edge', insecureEdgeTerminationPolicy: 'Redirect', certificate, key };
  node.write('shop', route('shop', 'shop.example', { spec: { tls } }));
}

async function playBrowser(stage: Stage, node: HttpNode): Promise<void> {
  stage.step('Requests reach the endpoints of their Routes');
  const visits = [
    ['http', 'plain.example', '/', '200 from web-8001'],
    ['http', 'plain.example', '/cart/1', '200 from web-8002'],
    ['http', 'shop.example', '/sale?x=1', '302 to https://shop.example/sale?x=1'],
    ['https', 'shop.example', '/sale?x=1', '200 from web-8001, certificate "shop.example, first"'],
    ['https', 'bank.example', '/', /^200 from secure-8443, certificate "ingress-agent default certificate"$/],
    ['https', 'vault.example', '/', '200 from secure-8443, certificate "secure pod"'],
    ['http', 'unknown.example', '/', '503'],
  ] as const;
  for (const [scheme, host, path, expected] of visits) {
    stage.claim(`${scheme}://${host}${path}`, describe(await node.ask(scheme, host, path)), expected);
  }
}

async function playWeights(stage: Stage, node: HttpNode): Promise<void> {
  stage.step('A new version gets a quarter of the requests');
  const alternateBackends = [{ kind: 'Service', name: 'beta', weight: 1 }];
  const to = { kind: 'Service', name: 'web', weight: 3 };
  node.write(
    'split',
    route('split', 'split.example', { annotations: { disable_cookies: 'true' }, spec: { to, alternateBackends } }),
  );
  await until(async () => (await node.ask('http', 'split.example', '/')).status === 200);
  let beta = 0;
  for (let count = 0; count < 40; count++) {
    if ((await node.ask('http', 'split.example', '/')).echo?.server === 'web-8002') beta++;
  }
  stage.claim('of 40 requests to the new version', `${beta}`, '10');
}

async function playChanges(stage: Stage, node: HttpNode): Promise<void> {
  stage.step('Under load, an endpoint is replaced and the certificate renewed');
  const seen = new Map<string, number>();
  let isOver = false;
  const load = (async () => {
    while (!isOver) {
      const { status, error } = await node.ask('https', 'shop.example', '/');
      const what = error ?? `${status}`;
      seen.set(what, (seen.get(what) ?? 0) + 1);
    }
  })();
  node.write('services', ...service('web', [8001, 8003]), ...service('beta', [8002]), ...service('secure', [8443]));
  node.write('services', ...service('web', [8003]), ...service('beta', [8002]), ...service('secure', [8443]));
  await until(async () => (await node.ask('http', 'plain.example', '/')).echo?.server === 'web-8003');
  writeShop(node, 'shop.example, second');
  await until(async () => (await node.ask('https', 'shop.example', '/')).subject === 'shop.example, second');
  isOver = true;
  await load;
  stage.claim('http://plain.example/', describe(await node.ask('http', 'plain.example', '/')), '200 from web-8003');
  stage.claim(
    'https://shop.example/',
    describe(await node.ask('https', 'shop.example', '/')),
    /certificate "shop.example, second"$/,
  );
  stage.claim('answers meanwhile', [...seen.keys()].join(', '), '200');
  const { body } = await node.ask('http', 'localhost', '/metrics', { address: '127.0.0.1', port: 1936 });
  const counts = [...body.matchAll(/^egress_router_ingress_haproxy_reloads\{[^}]*\} (\d+)$/gm)].map(([, count]) =>
    Number(count),
  );
  stage.claim('reloads of HAProxy', `${counts.reduce((sum, one) => sum + one, 0)}`, '0');
}

function describe({ status, headers, echo, subject, error }: Answer): string {
  if (error !== undefined) return error;
  const shown = subject === undefined ? '' : `, certificate "${subject}"`;
  if (echo !== undefined) return `${status} from ${echo.server}${shown}`;
  return headers.location === undefined ? `${status}` : `${status} to ${headers.location}`;
}

/** Waits up to a minute for a condition. The following claim reports if it was never met. */
async function until(isSo: () => Promise<boolean>): Promise<void> {
  for (const deadline = Date.now() + 60_000; Date.now() < deadline; ) if (await isSo()) return;
}
