import assert from 'node:assert/strict';
import { describe, it } from 'mocha';
import { defaultPolicy } from '../../../../src/ingress/claims/policy.ts';
import type { SecretState } from '../../../../src/ingress/http/certificate-book.ts';
import { SitePlanner } from '../../../../src/ingress/http/desired.ts';
import { Inventory } from '../../../../src/ingress/objects/inventory.ts';
import { parseSecret } from '../../../../src/ingress/objects/secret.ts';
import { parseRoute } from '../../../../src/ingress/route/route.ts';
import { RouteSites } from '../../../../src/ingress/route/sites.ts';
import { TestAuthority } from '../../../lab/certificates.ts';
import { route } from '../../../netns/ingress/http/objects.ts';

describe('The desired state of HAProxy', () => {
  it('keeps a Route’s certificate until the Secret that it now names was read', () => {
    const authority = new TestAuthority('desired authority');
    const [first, second] = [authority.issue({ name: 'it.test' }), authority.issue({ name: 'it.test' })];
    const found = ({ certificate, key }: typeof first): SecretState => {
      const stringData = { 'tls.crt': certificate, 'tls.key': key };
      const read = parseSecret({ type: 'kubernetes.io/tls', metadata: { name: 'x' }, stringData });
      assert.ok(read.ok);
      return { state: 'found', secret: read.value };
    };
    const secrets = new Map<string, SecretState>([['shop/first', found(first)]]);
    const inventory = new Inventory();
    const journal = inventory.openJournal();
    const planner = new SitePlanner(
      inventory,
      [new RouteSites(inventory, defaultPolicy, { overridesAll: false, overriddenDomains: [] })],
      {
        policy: defaultPolicy,
        hosts: { allowsWildcards: false, sharesHosts: false },
        defaults: { balance: 'random', tcpBalance: 'source', checkInterval: 5000 },
        node: 'a',
        hasHttp2: false,
        readsSecrets: true,
      },
      (key) => secrets.get(key) ?? { state: 'waiting' },
    );
    const compute = (name: string, changed: readonly string[] = [], uid = 'one') => {
      const written = route('it', 'it.test', {
        spec: { tls: { termination: 'edge', externalCertificate: { name } } },
      }) as { metadata: { uid: string } };
      written.metadata.uid = uid;
      const read = parseRoute(written);
      assert.ok(read.ok);
      inventory.put({ kind: 'Route', value: read.value });
      const { certificates, unfit, sites } = planner.compute(journal.take(), new Set(changed));
      return [sites.size, certificates.get('shop:it')?.pem, unfit[0]?.refusal.reason];
    };
    const [, before] = compute('first');
    assert.ok(before);
    assert.deepEqual(compute('second'), [1, before, undefined]);
    secrets.set('shop/second', found(second));
    const [sites, pem] = compute('second', ['shop/second']);
    assert.equal(sites, 1);
    assert.notEqual(pem, before);
    assert.deepEqual(compute('third', [], 'another'), [0, undefined, 'ExternalCertificateGetFailed']);
  }).timeout(20_000);
});
