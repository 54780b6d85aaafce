import assert from 'node:assert/strict';
import type { Claim } from '../../../../src/ingress/claims/claims-document.ts';
import { renderStatusPage, type StatusPageContent } from '../../../../src/ingress/status/status-page.ts';

const web: Claim = {
  kind: 'Route',
  namespace: 'shop',
  name: 'web',
  host: 'web.test',
  path: '/cart',
  termination: 'edge',
  admitted: true,
};
const port: Claim = { kind: 'Route', namespace: 'shop', name: 'db', protocol: 'tcp', port: 13_306, admitted: true };
const lost: Claim = {
  ...port,
  name: 'rival',
  admitted: false,
  reason: 'PortAlreadyClaimed',
  message: 'port 13306/tcp belongs to the older Route db',
};

function render(content: Partial<StatusPageContent> = {}, filter = ''): string {
  return renderStatusPage(
    {
      node: 'n1',
      version: '1.2.3',
      remarks: [],
      claims: [web, port, lost],
      endpointsOf: ({ name }) => (name === 'web' ? ['10.0.0.1:8080', '10.0.0.2:8080'] : []),
      ...content,
    },
    filter,
  );
}

describe('The status page', () => {
  it('shows hosts, ports, endpoints, and rejected claims with reasons', () => {
    const page = render();
    for (const text of [
      'Ingress agent on n1',
      'Version 1.2.3',
      '2 claims admitted, 1 rejected',
      'web.test/cart',
      '10.0.0.1:8080, 10.0.0.2:8080',
      '13306/tcp',
      'PortAlreadyClaimed',
      'belongs to the older Route db',
    ]) {
      assert.ok(page.includes(text), text);
    }
  });

  it('says why the agent is not ready, and what of HAProxy needs attention', () => {
    const haproxy = {
      version: '2.6.12',
      workers: 1,
      oldWorkers: 2,
      restarts: 0,
      reloads: { shape: 3, size: 0 },
      problems: [{ what: 'HAProxy rejects backend x', cure: 'fix it' }],
    };
    const page = render({ unreadiness: 'waiting for Routes', haproxy });
    for (const text of ['Not ready', 'waiting for Routes', '1 current, 2 old', 'shape 3', 'not running', 'fix it']) {
      assert.ok(page.includes(text), text);
    }
  });

  it('escapes every text of an object', () => {
    const evil = '<img src=x onerror=alert(1)>"\'&\u202e\u009b';
    const claim: Claim = { ...web, namespace: evil, name: evil, host: evil, path: evil, reason: evil, message: evil };
    const page = render(
      {
        node: evil,
        unreadiness: evil,
        remarks: [evil],
        claims: [claim, { ...claim, admitted: false }],
        endpointsOf: () => [evil],
      },
      evil,
    );
    assert.ok(!page.includes('<img'));
    assert.ok(!/[\u202e\u009b]/.test(page));
    // Attributes are quoted with ", which is escaped.
    assert.ok(page.includes('&quot;&#39;&amp;'));
  });

  it('filters by text, and shows a bounded number of rows', () => {
    assert.ok(!render({}, 'web.test').includes('13306/tcp'));
    assert.ok(render({}, '13306').includes('rival'));
    const many = Array.from({ length: 2000 }, (_, i): Claim => ({ ...web, name: `r${i}` }));
    const page = render({ claims: many });
    assert.ok(page.includes('The first 500 of 2000'));
    assert.ok(!page.includes('r1999'));
    assert.ok(render({ claims: many }, 'r1999').includes('r1999'));
  });
});
