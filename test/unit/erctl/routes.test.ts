import assert from 'node:assert/strict';
import { once } from 'node:events';
import type { AddressInfo } from 'node:net';
import { createDaemonServer, type DaemonServer, type HttpParts } from '../../../src/base/daemon/http-server.ts';
import { renderRoutes } from '../../../src/erctl/screens/routes.ts';
import { claimsDocumentSchema } from '../../../src/ingress/claims/claims-document.ts';
import { describePortClaims } from '../../../src/ingress/claims/describe-claims.ts';
import { defaultPolicy } from '../../../src/ingress/claims/policy.ts';
import { decidePorts } from '../../../src/ingress/claims/ports.ts';
import { readRequest, writeRoute } from '../ingress/samples.ts';
import { call } from './call.ts';

const admissions = decidePorts(
  [
    readRequest(writeRoute({ namespace: 'test', name: 'late', created: 2 })),
    readRequest(writeRoute({ namespace: 'shop', name: 'first', created: 1 })),
    readRequest(writeRoute({ namespace: 'shop', name: 'low', port: 80 })),
    readRequest(writeRoute({ namespace: 'shop', name: 'odd', port: 'x' })),
  ],
  { policy: defaultPolicy, listeners: new Set() },
);

describe('renderRoutes', () => {
  it('shows a claim that is not in force as pending', () => {
    const [first, ...rest] = describePortClaims(admissions, [{ what: 'all' }]).filter(({ admitted }) => admitted);
    assert.deepEqual([first?.pending, rest], ['all', []]);
    const screen = { width: 200, colour: false };
    const text = renderRoutes({ schema: 'ingress-agent.claims/v1', claims: first ? [first] : [] }, screen);
    assert.match(text, /^13306\/tcp {2}Route {2}shop\/first {2}pending {3}- +- +not in force$/m);
  });

  it('explains why an admitted Route gets no answer', () => {
    const uid = admissions.admitted[0]?.request.meta.uid ?? '';
    const notes = new Map([[uid, ['Service web has no endpoints']]]);
    const claims = describePortClaims(admissions, [], notes).filter(({ admitted }) => admitted);
    const text = renderRoutes({ schema: 'ingress-agent.claims/v1', claims }, { width: 200, colour: false });
    assert.match(text, /shop\/first .* yes .* Service web has no endpoints$/m);
  });
});

describe('erctl routes', () => {
  let server: DaemonServer;
  let url: string;
  const environment = { ...process.env };

  async function open(parts: Partial<HttpParts> = {}): Promise<void> {
    const metrics = { contentType: 'text/plain', metrics: async () => '' };
    server = createDaemonServer({
      metrics,
      unreadiness: () => undefined,
      documents: {
        '/claims': () => ({ schema: 'ingress-agent.claims/v1', claims: describePortClaims(admissions, []) }),
      },
      ...parts,
    });
    server.listen(0, '127.0.0.1');
    await once(server, 'listening');
    url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  }

  afterEach(() => {
    server.closeAllConnections();
    server.close();
    process.env = { ...environment };
  });

  it('shows the owner of a port, rejected Routes, the reasons and the actual owner', async () => {
    await open();
    const { status, out } = await call(['routes', '--agent', url, '-o', 'json']);
    assert.equal(status, 0);
    assert.deepEqual(
      claimsDocumentSchema
        .parse(JSON.parse(out))
        .claims.map(({ port, namespace, name, admitted, reason, owner }) => [
          port,
          `${namespace}/${name}`,
          admitted,
          reason,
          owner,
        ]),
      [
        [80, 'shop/low', false, 'PortNotAllowed', undefined],
        [13306, 'shop/first', true, undefined, undefined],
        [13306, 'test/late', false, 'PortAlreadyClaimed', 'shop/first'],
        [undefined, 'shop/odd', false, 'ExtendedValidationFailed', undefined],
      ],
    );
    assert.match(
      (await call(['routes', '--agent', url])).out,
      /^13306\/tcp {2}Route {2}test\/late {3}no {8}shop\/first {2}- +PortAlreadyClaimed: /m,
    );
  });

  it('sends its credentials to an agent that requires them', async () => {
    await open({ credentials: { username: 'u', password: 'p' } });
    const refused = await call(['routes', '--agent', url]);
    assert.match(refused.err, /requires credentials; set STATS_USERNAME and STATS_PASSWORD/);
    assert.equal(refused.status, 2);
    Object.assign(process.env, { STATS_USERNAME: 'u', STATS_PASSWORD: 'p' });
    assert.equal((await call(['routes', '--agent', url])).status, 0);
  });

  it('reports an agent without data, and a server that is not an agent', async () => {
    await open({ documents: { '/claims': () => undefined } });
    assert.match((await call(['routes', '--agent', url])).err, /returned 503: no data yet/);
    server.close();
    server.closeAllConnections();
    await open({ documents: { '/claims': () => ({ other: true }) } });
    const { status, err } = await call(['routes', '--agent', url]);
    assert.match(err, /returned an unknown format/);
    assert.equal(status, 2);
  });
});
