import assert from 'node:assert/strict';
import { mkdtempSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, it } from 'mocha';
import { placeholder } from '../../../../src/ingress/operator/crl/placeholder.ts';
import { TestAuthority } from '../../../lab/certificates.ts';
import { HttpNode } from '../../../lab/http-node.ts';
import { OpensslAuthority } from '../../../lab/openssl-authority.ts';
import { until } from '../../../until.ts';
import { route, service } from './objects.ts';

const standard = new TestAuthority('erhr authority').issue({ name: 'standard', hosts: ['*.apps.test'] });

describe('Revocation lists in the compiled agent and a real HAProxy', function () {
  this.timeout(60_000);
  const folder = mkdtempSync(join(tmpdir(), 'erhr-'));
  const file = join(folder, 'crl.pem');
  const [first, second] = [new OpensslAuthority('first'), new OpensslAuthority('second')];
  const middle = new OpensslAuthority('middle', [], 'p256', first);
  const [alice, bob, carol] = [first.issue('alice'), first.issue('bob'), second.issue('carol')];
  const { cert, key } = middle.issue('dave');
  const dave = { cert: cert + middle.certificate, key };
  const listAll = (): string => first.list() + second.list() + middle.list();
  /** Replaces the file as a whole, as the kubelet does. */
  const write = (text: string): void => {
    writeFileSync(`${file}.new`, text);
    renameSync(`${file}.new`, file);
  };
  // The bundle may have certificates of clients, which name lists: they are no authorities.
  writeFileSync(join(folder, 'ca.pem'), first.certificate + second.certificate + middle.certificate + alice.cert);
  write(listAll());
  const node = new HttpNode('erhr', {
    ROUTER_GRACEFUL_SHUTDOWN_DELAY: '1ms',
    ROUTER_MAX_SHUTDOWN_TIMEOUT: '1s',
    DEFAULT_CERTIFICATE: `${standard.certificate}\n${standard.key}`,
    ROUTER_MUTUAL_TLS_AUTH: 'optional',
    ROUTER_MUTUAL_TLS_AUTH_CA: join(folder, 'ca.pem'),
    ROUTER_MUTUAL_TLS_AUTH_CRL: file,
  });
  const clients = { alice, bob, carol, dave, none: undefined };

  before(async () => {
    await node.up();
    await node.serve({ name: 'one', port: 8001 });
    node.write(
      'all',
      ...service('web', [8001]),
      route('edge', 'edge.apps.test', { spec: { tls: { termination: 'edge' } } }),
    );
    await node.start('--cleanup-on-exit');
  });
  after(async () => {
    await node.end('SIGTERM');
    node.down();
    first.remove();
    second.remove();
    middle.remove();
    rmSync(folder, { recursive: true });
  });

  /** The clients that are served. */
  async function served(): Promise<string> {
    const names = await Promise.all(
      Object.entries(clients).map(async ([name, client]) => {
        const { status } = await node.ask('https', 'edge.apps.test', '/', client === undefined ? {} : { client });
        return status === 200 ? name : '';
      }),
    );
    return names.filter((name) => name !== '').join(' ');
  }
  async function awaitServed(names: string): Promise<void> {
    let last = '';
    await until(
      async () => {
        last = await served();
        return last === names;
      },
      () => [last, node.log.slice(-3000)],
      30_000,
    );
  }

  it('refuse a client that was revoked after the start, without a restart', async () => {
    assert.equal(await served(), 'alice bob carol dave none');
    const pid = node.agentPid;
    first.revoke('alice');
    write(listAll());
    await awaitServed('bob carol dave none');
    assert.equal(node.agentPid, pid);
  });

  it('stay in use while the file has none, and the agent reports it', async () => {
    write('-----BEGIN X509 CRL-----\nMAA=\n-----END X509 CRL-----\n');
    await until(
      () => /keeping the last ones: type 0x/.test(node.log),
      () => node.log.slice(-3000),
      30_000,
    );
    assert.equal(await served(), 'bob carol dave none');
    rmSync(file);
    await until(
      () => /Cannot use the revocation lists in .*ENOENT/.test(node.log),
      () => node.log.slice(-3000),
      30_000,
    );
    assert.equal(await served(), 'bob carol dave none');
  });

  it('of one authority only refuse all clients of the others', async () => {
    write(first.list());
    await awaitServed('bob none');
  });

  it('refuse the clients of an intermediate authority that was revoked', async () => {
    first.revoke('middle');
    write(listAll());
    await awaitServed('bob carol none');
  });

  it('that cover no client refuse every certificate', async () => {
    write(placeholder);
    await awaitServed('none');
  });
});
